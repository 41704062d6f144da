import numpy as np
import pytest

from data.interactions import Interactions
from models.recommender import Recommendations
from models.recommenders import passes


def histories_of(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    event = np.arange(offsets[-1])
    return Interactions(item=event, time=event, basket=event, offsets=offsets)


def first_item(some, here):
    """The list of a history is its first item; its score is whether that one is allowed."""
    items = some.item[some.offsets[:-1]]
    free = np.ones(len(items)) if here is None else np.broadcast_to(here, (len(items), 30))[:, 0]
    return Recommendations(items[:, None], free[:, None].astype(np.float32))


def test_lists_come_in_the_order_of_the_histories_and_passes_in_that_of_lengths(monkeypatch):
    monkeypatch.setattr(passes, "ROWS", 2)
    histories, widths = histories_of([5, 1, 9, 2, 7]), []

    def answer(some, here):
        widths.append(some.lengths.tolist())
        return first_item(some, here)

    lists = passes.in_passes(histories, 1, None, answer)
    assert lists.items[:, 0].tolist() == [0, 5, 6, 15, 17]
    assert widths == [[1, 2], [5, 7], [9]]


ONLY_THE_SECOND = np.eye(5, 30, -1, dtype=bool)
EVERYBODY = np.ones(30, dtype=bool)


@pytest.mark.parametrize(
    ("allowed", "free"), [(ONLY_THE_SECOND, [0, 1, 0, 0, 0]), (EVERYBODY, [1, 1, 1, 1, 1])]
)
def test_each_history_has_its_own_row_of_what_is_allowed(allowed, free, monkeypatch):
    monkeypatch.setattr(passes, "ROWS", 2)
    lists = passes.in_passes(histories_of([5, 1, 9, 2, 7]), 1, allowed, first_item)
    assert lists.scores[:, 0].tolist() == free


def test_nobody_gets_no_list():
    nobody = histories_of([2]).select(np.array([], dtype=np.int64))
    assert passes.in_passes(nobody, 3, None, first_item).items.shape == (0, 3)
