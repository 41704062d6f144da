"""Pairs: a target is found among what its user had, wherever it stands."""

import numpy as np

from data.interactions import Interactions
from models.sequence.pairs import paired
from models.sequence.recurrence import Recurrence
from models.sequence.rows import RowBatches


def test_targets_are_found_among_what_was_had():
    events = Interactions.from_histories([[4, 2, 4], [2]])
    had = Recurrence(events).candidates(np.array([0, 1]), np.array([3, 4]))
    assert (had.query.tolist(), had.item.tolist()) == ([0, 0, 1], [2, 4, 2])
    pairs = paired(had, np.array([0, 0, 1, 1]), np.array([2, 3, 4, 2]), n_items=5)
    assert pairs.target.tolist() == [0, -1, -1, 2]


def test_who_had_nothing_returns_to_nothing():
    events = Interactions.from_histories([[]])
    had = Recurrence(events).candidates(np.array([0]), np.array([0]))
    assert paired(had, np.array([0]), np.array([3]), n_items=5).target.tolist() == [-1]


def test_a_window_knows_what_was_had_before_it():
    """Rows show two events; the return to item 7 is from further back."""
    events = Interactions.from_histories([[7, 1, 2, 3, 7]])
    batches = RowBatches(events, 8, max_length=2, batch_rows=1, with_pairs=True)
    found = set()
    for seed in range(20):
        [batch] = batches.epoch(np.random.default_rng(seed))
        pairs = batch.pairs
        for query, item, pair in zip(batch.target_query, batch.target_item, pairs.target, strict=True):
            before = set(pairs.item[pairs.query == query].tolist())
            assert (int(pair) >= 0) == (int(item) in before)
            if item == 7:
                assert (pairs.query[pair], pairs.item[pair]) == (query, 7)
                assert before == {7, 1, 2, 3}
                found.add(batch.rows.item[0].tolist()[-1])
    assert found == {3}  # and it is not in the row


def test_who_wants_no_pairs_gets_none():
    [batch] = RowBatches(Interactions.from_histories([[0, 1]]), 2, max_length=2, batch_rows=1).epoch(
        np.random.default_rng(0)
    )
    assert batch.pairs is None
