"""Row layout: every position predicts what comes next, baskets are predicted whole."""

import numpy as np

from data.interactions import SECONDS_PER_DAY, Interactions
from models.sequence.rows import RowBatches, newest_rows

# one user: {0, 1} {2} {3, 4} {5}
EVENTS = Interactions.from_histories([[0, 1, 2, 3, 4, 5]], baskets=[[0, 0, 1, 2, 2, 3]])


def only_batch(**settings):
    batches = RowBatches(EVENTS, 6, batch_rows=8, **settings)
    [batch] = batches.epoch(np.random.default_rng(0))
    width = batch.rows.item.shape[1] + 1
    asked = {}
    for query, item in zip(batch.target_query.tolist(), batch.target_item.tolist(), strict=True):
        asked.setdefault(int(batch.cell[query]) % width, set()).add(item)
    return batch.rows.item[0].tolist(), asked


def test_the_state_after_a_basket_predicts_every_item_of_the_next():
    shown, asked = only_batch(max_length=10)
    assert shown == [0, 1, 2, 3, 4]
    # the state after 2 events has seen {0, 1}, after 3 {2} as well, after 5 all but the last basket
    assert asked == {2: {2}, 3: {3, 4}, 5: {5}}


def test_a_window_shorter_than_the_history_never_shows_what_it_predicts():
    for seed in range(20):
        batches = RowBatches(EVENTS, 6, batch_rows=8, max_length=2)
        [batch] = batches.epoch(np.random.default_rng(seed))
        shown = batch.rows.item[0].tolist()
        assert len(shown) <= 2
        for query, item in zip(batch.target_query.tolist(), batch.target_item.tolist(), strict=True):
            assert item not in shown[: int(batch.cell[query])]
            assert item > max(shown[: int(batch.cell[query])])


def test_every_user_with_something_to_predict_comes_once_an_epoch():
    lengths = [5, 1, 3, 2, 8, 0, 4]
    events = Interactions.from_histories([[user] * n for user, n in enumerate(lengths)])
    batches = RowBatches(events, 7, batch_rows=2, max_length=10)
    epoch = list(batches.epoch(np.random.default_rng(0)))
    assert len(epoch) == len(batches) == 3
    assert sorted(int(item) for batch in epoch for item in batch.rows.item[:, 0]) == [0, 2, 3, 4, 6]
    assert sum(len(batch.target_item) for batch in epoch) == 4 + 2 + 1 + 7 + 3


def test_the_newest_events_are_laid_out_from_the_left():
    days = [[0, 3 * SECONDS_PER_DAY, 4 * SECONDS_PER_DAY], [], [SECONDS_PER_DAY]]
    rows = newest_rows(Interactions.from_histories([[7, 8, 9], [], [5]], days), max_length=2)
    assert rows.item.tolist() == [[8, 9], [0, 0], [5, 0]]
    assert rows.day.tolist() == [[3, 4], [0, 0], [1, 0]]
    assert rows.length.tolist() == [2, 0, 1]


def test_the_clock_starts_with_the_first_event():
    days = [[2 * SECONDS_PER_DAY, 5 * SECONDS_PER_DAY], []]
    assert newest_rows(Interactions.from_histories([[7, 8], []], days), 9).clock().tolist() == [
        [2, 2, 5],
        [0, 0, 0],
    ]
    nothing = newest_rows(Interactions.from_histories([[]]), 9)
    assert nothing.clock().tolist() == [[0]]
