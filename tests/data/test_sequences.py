import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.interactions import Interactions
from data.sequences import NO_ITEM, length_buckets, pad

LENGTHS = st.lists(st.integers(min_value=0, max_value=30), max_size=60)


def test_rows_of_similar_length_share_a_batch():
    batches = length_buckets(np.array([5, 1, 4, 1, 9]), batch_size=2)
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0], [4]]


def test_a_batch_holds_at_most_its_tokens():
    # ascending 1 1 4 5 9; two rows of 1 and a third of 4 would be 3 * 4 = 12 > 10; 2 * 5 = 10 fits
    batches = length_buckets(np.array([5, 1, 4, 1, 9]), batch_tokens=10)
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0], [4]]


def test_a_row_longer_than_a_batch_is_alone():
    assert [batch.tolist() for batch in length_buckets(np.array([50, 40]), batch_tokens=10)] == [[1], [0]]


@given(LENGTHS, st.integers(1, 8), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_every_row_is_in_one_batch_and_no_batch_is_too_big(lengths, batch_size, batch_tokens, seed):
    lengths = np.array(lengths, dtype=np.int64)
    rng = np.random.default_rng(seed)
    batches = length_buckets(lengths, batch_size=batch_size, batch_tokens=batch_tokens, rng=rng)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= batch_tokens


def test_a_seed_decides_the_batches():
    lengths = np.full(100, 3)
    first, again, other = (
        np.concatenate(length_buckets(lengths, batch_size=8, rng=np.random.default_rng(seed)))
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_batch_without_a_size_is_refused():
    with pytest.raises(ValueError, match="needs a batch_size or batch_tokens of at least 1"):
        length_buckets(np.array([1]))


def test_padding_is_on_the_left_and_the_newest_event_is_last():
    histories = Interactions.from_histories(
        [[3, 4, 5], [], [6]], times=[[10, 20, 30], [], [40]], baskets=[[0, 0, 1], [], [0]]
    )
    batch = pad(histories, max_length=2)
    assert batch.item.tolist() == [[4, 5], [NO_ITEM, NO_ITEM], [NO_ITEM, 6]]
    assert batch.time.tolist() == [[20, 30], [0, 0], [40, 40]]
    assert batch.basket.tolist() == [[0, 1], [-1, -1], [-1, 0]]
    assert batch.mask.tolist() == [[True, True], [False, False], [False, True]]


def test_empty_histories_make_one_column_of_pads():
    assert pad(Interactions.from_histories([[], []]), max_length=5).item.tolist() == [[-1], [-1]]


@given(st.lists(st.lists(st.integers(0, 99), max_size=12), max_size=12))
def test_a_batch_holds_exactly_the_events_of_its_histories(rows):
    batch = pad(Interactions.from_histories(rows), max_length=12)
    assert [item[mask].tolist() for item, mask in zip(batch.item, batch.mask, strict=True)] == rows
    assert (batch.item[~batch.mask] == NO_ITEM).all()


def test_a_length_below_one_is_refused():
    with pytest.raises(ValueError, match="max_length must be at least 1"):
        pad(Interactions.from_histories([[1]]), max_length=0)
