import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decoding.stepwise import stepwise_beam
from models.recommender import NO_ITEM, top_k
from models.tokenizers.code_table import build_trie

SIZES = (3, 2, 3)


class TableSpeller:
    """Logits of every prefix, looked up: tables[l] is [Q, *sizes[:l], sizes[l]]."""

    def __init__(self, tables):
        self.tables, self.level = tables, 0
        self.prefix = np.zeros((len(tables[0]), 1, 0), dtype=np.int64)

    def first(self):
        return self.tables[0]

    def then(self, source, code):
        query = np.arange(len(source))[:, None]
        self.prefix = np.concatenate([self.prefix[query, source], code[..., None]], axis=2)
        self.level += 1
        return self.tables[self.level][(query, *np.moveaxis(self.prefix, 2, 0))]


def random_tables(seed, n_queries=2):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n_queries, *SIZES[: level + 1])) for level in range(3)]


def by_hand(tables, codes):
    """Log-probability of each item, its codes renormalised over those that continue the prefix: [Q, I]."""
    total = np.zeros((len(tables[0]), len(codes)))
    for item, row in enumerate(codes):
        for level in range(3):
            below = codes[(codes[:, :level] == row[:level]).all(axis=1)]
            logits = tables[level][(slice(None), *row[:level])]
            total[:, item] += logits[:, row[level]]
            total[:, item] -= np.log(np.exp(logits[:, np.unique(below[:, level])]).sum(axis=1))
    return total


@st.composite
def catalogues(draw):
    """Unique code rows in any order."""
    every = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)
    return every[draw(st.lists(st.integers(0, len(every) - 1), unique=True, min_size=1, max_size=12))]


@given(st.integers(0, 10_000), catalogues(), st.integers(1, 6), st.integers(0, 2**24 - 1))
def test_full_width_equals_scoring_every_item(seed, codes, k, bits):
    allowed = np.array([[bits >> (12 * query + item) & 1 for item in range(len(codes))] for query in (0, 1)])
    tables, allowed = random_tables(seed), allowed.astype(bool)
    beam = stepwise_beam(TableSpeller(tables), build_trie(codes), k, allowed, beam=12)
    exact = top_k(by_hand(tables, codes).astype(np.float32), k, allowed)
    assert np.array_equal(beam.items, exact.items)
    assert np.allclose(beam.scores, exact.scores, rtol=0, atol=1e-6)


@given(st.integers(0, 10_000), catalogues(), st.integers(1, 4))
def test_a_narrow_beam_still_fills_the_list_with_allowed_items(seed, codes, k):
    allowed = np.arange(len(codes)) % 2 == 0
    top = stepwise_beam(TableSpeller(random_tables(seed)), build_trie(codes), k, allowed, beam=k)
    found = (top.items != NO_ITEM).sum(axis=1)
    assert (found == min(k, allowed.sum())).all()
    assert allowed[top.items[top.items != NO_ITEM]].all()
    assert (np.diff(top.scores[:, : found[0]], axis=1) <= 0).all()


def plain_beam(tables, codes, k, beam):
    """A beam by hand: extends every kept prefix at every level, whatever is certain; for one query."""
    kept = [((), 0.0)]
    for level in range(3):
        grown = []
        for prefix, score in kept:
            below = np.unique(codes[(codes[:, :level] == prefix).all(axis=1), level])
            logits = tables[level][(0, *prefix)][below]
            grown += [
                ((*prefix, code), score + logit - np.log(np.exp(logits).sum()))
                for code, logit in zip(below.tolist(), logits, strict=True)
            ]
        kept = sorted(grown, key=lambda each: (-np.float32(each[1]), each[0]))[:beam]
    item = {tuple(row): number for number, row in enumerate(codes.tolist())}
    return [item[prefix] for prefix, _ in kept][:k]


@given(st.integers(0, 10_000), catalogues(), st.integers(1, 3), st.integers(0, 3))
def test_what_is_left_out_of_a_narrow_beam_changes_no_list(seed, codes, k, wider):
    tables = random_tables(seed, n_queries=1)
    tables[0] *= 3  # some prefixes are far ahead
    top = stepwise_beam(TableSpeller(tables), build_trie(codes), k, None, beam=k + wider)
    expected = plain_beam(tables, codes, k, k + wider)
    assert top.items[0].tolist() == expected + [NO_ITEM] * (k - len(expected))


def test_a_prefix_below_enough_certain_items_is_not_asked_about():
    # codes 0 and 1 lead to one item each, .6 and .3 of the mass; code 2, .1 of it, to two
    codes = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0]])
    tables = [np.log([[0.6, 0.3, 0.1]]), np.zeros((1, 3, 2)), np.zeros((1, 3, 2, 3))]

    def asked_for(k):
        asked = []

        class Watched(TableSpeller):
            def then(self, source, code):
                asked.append(code[0].tolist())
                return super().then(source, code)

        return stepwise_beam(Watched(tables), build_trie(codes), k, None, beam=4).items.tolist(), asked[0]

    two, three = asked_for(2), asked_for(3)
    assert two[0] == [[0, 1]]
    assert 2 not in two[1]
    assert three == ([[0, 1, 2]], [2])


def test_a_narrow_beam_follows_the_best_prefix():
    # two items under code 0 (.6 = .3 + .3), one under code 1 (.4): width 1 misses the best item
    codes = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0]])
    tables = [np.log([[0.6, 0.4, 1.0]]), np.zeros((1, 3, 2)), np.zeros((1, 3, 2, 3))]
    narrow = stepwise_beam(TableSpeller(tables), build_trie(codes), 1, None, beam=1)
    wide = stepwise_beam(TableSpeller(tables), build_trie(codes), 3, None, beam=3)
    assert narrow.items.tolist() == [[0]]
    assert wide.items.tolist() == [[2, 0, 1]]
    assert np.allclose(np.exp(wide.scores), [[0.4, 0.3, 0.3]])


def test_equal_items_are_ordered_by_id():
    codes = np.array([[2, 1, 0], [0, 0, 0], [1, 0, 2], [0, 1, 1]])
    flat = [np.zeros((1, *SIZES[: level + 1])) for level in range(3)]
    # items 1 and 3 share the first code: 1/3 * 1/2 each; items 0 and 2 have 1/3
    top = stepwise_beam(TableSpeller(flat), build_trie(codes), 5, None, beam=5)
    assert top.items.tolist() == [[0, 2, 1, 3, NO_ITEM]]


def test_a_beam_narrower_than_the_list_is_refused():
    with pytest.raises(ValueError, match="at least k wide"):
        stepwise_beam(TableSpeller(random_tables(0)), build_trie(np.zeros((1, 3), int)), 3, None, beam=2)


def test_a_prefix_that_one_item_continues_is_not_asked_about():
    # code 0 leads to four items and (0, 0) to two of them; codes 1 and 2 lead to one each
    codes = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 0, 0], [2, 1, 1]])
    tables, asked = random_tables(3, n_queries=1), []

    class Watched(TableSpeller):
        def then(self, source, code):
            logits = super().then(source, code)
            asked.append(self.prefix[0].tolist())
            return logits

    top = stepwise_beam(Watched(tables), build_trie(codes), 5, None, beam=5)
    assert asked == [[[0]], [[0, 0]]]
    assert np.allclose(top.scores[0, np.argsort(top.items[0])], by_hand(tables, codes)[0], atol=1e-6)


def test_queries_that_ask_about_different_prefixes_are_told_apart():
    codes = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 0, 2], [2, 0, 0], [2, 1, 0]])
    tables = random_tables(5)
    tables[0] = np.array([[9.0, 0.0, -9.0], [-9.0, 0.0, 9.0]])  # width 2 keeps codes 0 and 1, then 1 and 2
    top = stepwise_beam(TableSpeller(tables), build_trie(codes), 2, None, beam=2)
    exact = by_hand(tables, codes)
    assert {*top.items[0]} <= {0, 1, 2, 3, 4, 5}
    assert {*top.items[1]} <= {3, 4, 5, 6, 7}
    assert np.allclose(top.scores, np.take_along_axis(exact, top.items, axis=1), atol=1e-6)
