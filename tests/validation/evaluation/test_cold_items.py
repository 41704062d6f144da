"""Items held out of every history, and the simple answers for them."""

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from data.split import Protocol, Window
from validation.evaluation.cold_items import Counts, TextSimilarity, ask, hold_out, without

N_ITEMS = 6


def window(name, histories, targets):
    return Window(
        name=name,
        protocol=Protocol(split="leave-one-out", cutoff=None, until=None, target="next item"),
        train=Interactions.from_histories(histories),
        user_keys=[f"u{i}" for i in range(len(histories))],
        catalogue=Catalogue(pl.DataFrame({"item_key": [f"i{i}" for i in range(N_ITEMS)]})),
        query_users=np.arange(len(histories)),
        target=np.array(targets),
        target_offsets=np.arange(len(histories) + 1),
    )


def test_the_other_events_keep_their_order_and_baskets_are_numbered_anew():
    events = Interactions.from_histories([[4, 1, 2, 1], [1], [3]], baskets=[[0, 1, 2, 2], [0], [0]])
    left = without(events, np.arange(N_ITEMS) == 1)
    assert left.item.tolist() == [4, 2, 3]
    assert left.basket.tolist() == [0, 1, 0]
    assert left.offsets.tolist() == [0, 2, 2, 3]  # the second user keeps an empty row
    assert left.time.tolist() == [0, 2, 0]


@pytest.mark.parametrize("seed", range(5))
def test_held_out_items_are_in_no_history_and_all_questions_want_one(seed):
    histories = [[i, (i + 1) % N_ITEMS, (i + 2) % N_ITEMS] for i in range(N_ITEMS)]
    valid = window("valid", histories, [(i + 3) % N_ITEMS for i in range(N_ITEMS)])
    asking = [[*row, (row[-1] + 1) % N_ITEMS] for row in histories]
    test = window("test", asking, [(i + 4) % N_ITEMS for i in range(N_ITEMS)])
    split = hold_out(valid, test, 1 / 3, seed=seed)
    assert split.held_out.sum() == 2
    assert not split.held_out[split.learn.item].any()
    assert not split.held_out[split.test.train.item].any()
    assert split.held_out[split.test.target].all()
    assert len(split.test.query_users) == 2  # each item is wanted once
    assert split.removed.tolist() == (3 * split.held_out).tolist()  # each is in three histories
    assert split.learn.n_users == N_ITEMS


def test_without_a_user_who_wanted_one_there_is_nothing_to_ask():
    valid = window("valid", [[0, 1]], [2])
    assert all(hold_out(valid, window("test", [[0, 1, 2]], [-1]), 0.5, seed=s) is None for s in range(4))


def test_text_similarity_looks_at_the_newest_first():
    vectors = np.eye(N_ITEMS, 2, dtype=np.float32)
    vectors[2:] = [[1, 0], [0, 1], [3, 4], [0, 0]]
    model = TextSimilarity(vectors, decay=0.5)
    cold = np.isin(np.arange(N_ITEMS), [2, 3, 4])
    lists = model.recommend(Interactions.from_histories([[0, 1], [1, 0], []]), 3, allowed=cold)
    # (0.5, 1) has cosines 0.5, 1 and 0.3 + 0.8 with items 2, 3 and 4 up to its own length
    assert lists.items[0].tolist() == [4, 3, 2]
    assert lists.scores[0].tolist() == pytest.approx([1.1, 1.0, 0.5])
    assert lists.items[1].tolist() == [2, 4, 3]  # 1, 0.6 + 0.4 (a tie goes to the smaller id), 0.5
    assert lists.items[2].tolist() == [2, 3, 4]


def test_asking_within_the_held_out_items_is_easier():
    valid = window("valid", [[0, 1]] * 3, [2] * 3)
    test = window("test", [[0, 1, 2]] * 3, [3, 4, 5])
    split = next(s for seed in range(50) if (s := hold_out(valid, test, 1 / 3, seed=seed)))
    found = ask(Counts(split.removed), split)
    assert found["within"]["recall@10"] == 1.0  # two items, ten places
    assert set(found) == {"full", "within"}
