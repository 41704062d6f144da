import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tokenizers.code_table import CodeTable, build_trie
from models.tokenizers.collisions import append_digit, digits_after

CODES = np.array([[0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0]])


def test_the_trie_of_four_items():
    # level 1: prefixes 0, 1 -> nodes 1, 2; level 2: 00, 01, 10 -> nodes 3, 4, 5; leaves 6..9
    trie = build_trie(CODES)
    assert trie.level_offsets.tolist() == [0, 1, 3, 6, 10]
    assert trie.parent.tolist() == [-1, 0, 0, 1, 1, 2, 3, 4, 4, 5]
    assert trie.leaf_of.tolist() == [7, 8, 9, 6]
    assert trie.paths().tolist() == [[1, 4, 7], [1, 4, 8], [2, 5, 9], [1, 3, 6]]
    children = [trie.child_offsets[n : n + 2].tolist() for n in (0, 1, 4, 9)]
    assert children == [[1, 3], [3, 5], [7, 9], [10, 10]]


def test_items_that_share_all_codes_are_refused():
    with pytest.raises(ValueError, match="1 of 2 items share all their codes"):
        CodeTable(np.array([[0, 1], [0, 1]]), (1, 2))


def test_codes_out_of_range_are_refused():
    with pytest.raises(ValueError, match="must lie in"):
        CodeTable(np.array([[0, 2]]), (1, 2))


def test_the_generation_names_the_content():
    same, other = CodeTable(CODES, (2, 2, 2)), CodeTable(CODES[::-1], (2, 2, 2))
    assert CodeTable(CODES.copy(), (2, 2, 2)).generation == same.generation != other.generation


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40))
def test_every_item_has_its_own_path_that_spells_its_codes(rows):
    table = append_digit(np.array(rows, dtype=np.int64), (4, 3))
    trie = table.trie
    assert np.array_equal(trie.code[trie.paths()], table.codes)
    assert np.array_equal(trie.item_of[trie.leaf_of], np.arange(len(rows)))
    for node in range(len(trie)):
        children = np.arange(trie.child_offsets[node], trie.child_offsets[node + 1])
        assert (trie.parent[children] == node).all()
    assert trie.child_offsets[-1] == len(trie)


def test_digits_go_on_after_the_largest_even_where_items_have_left():
    # 0 0 has lost the digits 0 and 1; 1 0 is new
    table = CodeTable(np.array([[0, 0, 2], [0, 1, 0]]), (2, 2, 3))
    assert digits_after(table, np.array([[0, 0], [1, 0], [0, 1], [0, 0]])).tolist() == [3, 0, 1, 4]


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40, unique=True))
def test_one_item_is_where_a_prefix_has_one_item(rows):
    codes = np.array(rows)
    trie = build_trie(codes)
    paths = np.concatenate([np.zeros((len(codes), 1), dtype=np.int64), trie.paths()], axis=1)
    below = np.bincount(paths.ravel(), minlength=len(trie))
    assert np.array_equal(trie.one_item, below == 1)
