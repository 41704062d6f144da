import numpy as np

from data.interactions import Interactions
from models.sequence.baskets import basket_starts, draw_baskets, items_of

# user 0: {0, 1} {2} {2, 0}; user 1: {3} {4, 4}
EVENTS = Interactions.from_histories([[0, 1, 2, 2, 0], [3, 4, 4]], baskets=[[0, 0, 1, 2, 2], [0, 1, 1]])


def test_baskets_start_where_the_ordinal_or_the_user_changes():
    starts, first = basket_starts(EVENTS)
    assert starts.tolist() == [0, 2, 3, 5, 6]
    assert first.tolist() == [0, 3, 5]


def test_the_items_of_a_basket_are_distinct_and_ascending():
    starts, _ = basket_starts(EVENTS)
    query, item = items_of(EVENTS, starts, np.array([4, 2, 0]), n_items=5)
    assert query.tolist() == [0, 1, 1, 2, 2]
    assert item.tolist() == [4, 0, 2, 0, 1]


def test_baskets_are_drawn_after_the_first_and_up_to_the_last_each_once():
    begin, last = np.array([0, 10]), np.array([2, 17])
    rng = np.random.default_rng(0)
    drawn = {row: set() for row in (0, 1)}
    for _ in range(200):
        rows, baskets = draw_baskets(begin, last, 3, rng)
        assert [np.count_nonzero(rows == row) for row in (0, 1)] == [2, 3]
        for row in (0, 1):
            assert len(set(baskets[rows == row])) == np.count_nonzero(rows == row)
            drawn[row] |= set(baskets[rows == row].tolist())
    assert drawn == {0: {1, 2}, 1: set(range(11, 18))}
