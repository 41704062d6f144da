import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from data.split import COLD, Protocol, Window
from models.recommender import Mask, Recommendations, top_k
from validation.evaluation.evaluate import evaluate

N_ITEMS = 8


class Recency:
    """A real, tiny recommender: the newest items of the history first, then the smallest ids."""

    family = "recency"
    config = None

    def __init__(self) -> None:
        self.batches: list[int] = []

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        self.batches.append(histories.n_users)
        scores = np.zeros((histories.n_users, N_ITEMS), dtype=np.float32)
        for user in range(histories.n_users):
            history = histories.history(user)
            scores[user, history] = 1 + np.arange(len(history))
        return top_k(scores, k, allowed)


@pytest.fixture
def window() -> Window:
    # "bo" is not asked about; "dee" has no history.
    return Window(
        name="test",
        protocol=Protocol(split="time", cutoff=100, until=None, target="first basket"),
        train=Interactions.from_histories([[0, 1, 2, 3], [7], [5, 6], []]),
        user_keys=["ann", "bo", "cy", "dee"],
        catalogue=Catalogue(pl.DataFrame({"item_key": [f"i{i}" for i in range(N_ITEMS)]})),
        query_users=np.array([0, 2, 3]),
        target=np.array([2, 5, 4, COLD, 0]),
        target_offsets=np.array([0, 1, 4, 5]),
    )


def test_the_lists_are_scored_against_the_targets_of_their_own_query(window):
    report, lists = evaluate(Recency(), window, family="recency", ks=(1, 3))
    # ann: 3 2 1, wants 2; cy: 6 5 0, wants 5, 4 and a cold item; dee: 0 1 2, wants 0.
    assert lists.items.tolist() == [[3, 2, 1], [6, 5, 0], [0, 1, 2]]
    assert report.user_keys == ["ann", "cy", "dee"]
    assert report.metrics["recall@3"] == pytest.approx([1, 1 / 3, 1])
    assert report.metrics["recall@1"] == pytest.approx([0, 0, 1])
    assert report.metrics["mrr@3"] == pytest.approx([0.5, 0.5, 1])
    assert report.coverage == 6 / 8


def test_every_metric_is_measured_at_every_k(window):
    report, _ = evaluate(Recency(), window, family="recency", ks=(1, 3))
    names = ["recall", "ndcg", "hit", "mrr", "novelty"]
    assert sorted(report.metrics) == sorted(f"{name}@{k}" for name in names for k in (1, 3))


def test_the_batch_size_changes_nothing(window):
    model = Recency()
    one, lists_one = evaluate(model, window, family="recency", ks=(3,), batch_size=2)
    two, lists_two = evaluate(Recency(), window, family="recency", ks=(3,))
    assert model.batches == [2, 1]
    assert lists_one.items.tolist() == lists_two.items.tolist()
    assert one.metrics["ndcg@3"].tolist() == two.metrics["ndcg@3"].tolist()


def test_masking_bars_the_history_and_is_written_into_the_protocol(window):
    report, lists = evaluate(Recency(), window, family="recency", ks=(3,), seen_masked=True)
    assert lists.items.tolist() == [[4, 5, 6], [0, 1, 2], [0, 1, 2]]
    assert report.protocol.seen_masked
    assert not window.protocol.seen_masked


def test_the_slices_are_the_groups_that_they_name(window):
    slices = evaluate(Recency(), window, family="recency", ks=(3,))[0].slices
    # lengths 4, 2, 0: the 25 % quantile is 1, the 75 % quantile is 3.
    assert {name: inside.tolist() for name, inside in slices.items()} == {
        "all": [True, True, True],
        "short histories": [False, False, True],
        "long histories": [True, False, False],
        "new users": [False, False, True],
        "new to the user": [False, False, True],
        "cold targets": [False, True, False],
    }


def test_items_outside_of_the_catalogue_are_refused(window):
    class Wild(Recency):
        def recommend(self, histories, k, *, allowed=None):
            shape = (histories.n_users, k)
            return Recommendations(np.full(shape, 8) + np.arange(k), np.zeros(shape, np.float32))

    with pytest.raises(ValueError, match="ids below 8, the catalogue's size, but got 10"):
        evaluate(Wild(), window, family="wild", ks=(3,))


def test_a_window_without_queries_is_refused(window):
    none = np.array([], dtype=np.int64)
    empty = Window(
        window.name,
        window.protocol,
        window.train,
        window.user_keys,
        window.catalogue,
        none,
        none,
        np.array([0]),
    )
    with pytest.raises(ValueError, match="needs queries"):
        evaluate(Recency(), empty, family="recency")


def test_candidates_bound_the_lists_with_and_without_masking(window):
    some = np.isin(np.arange(N_ITEMS), [0, 2, 6])
    open_report, lists = evaluate(Recency(), window, family="recency", ks=(3,), candidates=some)
    assert lists.items.tolist() == [[2, 0, 6], [6, 0, 2], [0, 2, 6]]
    assert open_report.protocol.candidates == "3 of the items"
    _, lists = evaluate(Recency(), window, family="recency", ks=(3,), candidates=some, seen_masked=True)
    assert lists.items.tolist() == [[6, -1, -1], [0, 2, -1], [0, 2, 6]]
