"""What a proof compares, by hand: two users, three items."""

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from data.split import Protocol, Window
from flows.tasks.prove import ProofFailed, check_metric, frozen_rows, served_values
from validation.gates.parity import Answer

WINDOW = Window(
    name="test",
    protocol=Protocol("time", 10, None, "first basket"),
    train=Interactions.from_histories([[0], [1], [2]]),
    user_keys=["ann", "bob", "cid"],
    catalogue=Catalogue(pl.DataFrame({"item_key": ["a", "b", "c"]})),
    query_users=np.array([0, 2]),
    target=np.array([1, 0, 2]),  # ann b; cid a and c
    target_offsets=np.array([0, 1, 3]),
)


def test_served_lists_are_worth_what_the_metric_says():
    answers = [Answer(["a", "b"], [2.0, 1.0]), Answer(["c"], [1.0])]
    values = served_values(answers, WINDOW, np.array([0, 1]), "ndcg@2", 2)
    second = 1 / np.log2(3)
    assert values.tolist() == pytest.approx([second, 1 / (1 + second)])


def test_a_list_of_another_worth_is_refused_with_both_numbers():
    check_metric("alone", "ndcg@2", np.array([0.5, 1.0]), np.array([0.5, 1.0 + 1e-12]))
    with pytest.raises(ProofFailed, match=r"ndcg@2 of 1 of 2 users differs, 0.7000 .* 0.7500"):
        check_metric("batch", "ndcg@2", np.array([0.5, 1.0]), np.array([0.5, 0.9]))


def test_frozen_rows_are_spread_evenly():
    assert frozen_rows(WINDOW, 1).tolist() == [0]
    assert frozen_rows(WINDOW, 60).tolist() == [0, 1]
