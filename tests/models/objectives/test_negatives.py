"""Losses against drawn negatives: values by hand, full softmax as the limit, draws outside a row."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.objectives.full_softmax import full_softmax
from models.objectives.negatives import draw_unseen, one_negative_bce, sampled_softmax

# one query, hidden 1; scores of items 0, 1, 2 are 0, 1, 2 + 0.5
HIDDEN, TABLE = torch.tensor([[1.0]]), torch.tensor([[0.0], [1.0], [2.0]])
BIAS = torch.tensor([0.0, 0.0, 0.5])


def sampled(target, negatives):
    return sampled_softmax(
        HIDDEN, TABLE, BIAS, torch.tensor([0]), torch.tensor([target]), torch.tensor([negatives])
    ).item()


def test_bce_by_hand():
    # target 2 scores 2.5, negative 1 scores 1
    loss = one_negative_bce(HIDDEN, TABLE, BIAS, *map(torch.tensor, ([0], [2], [1])))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-2.5)) + math.log1p(math.exp(1)))


def test_bce_is_the_mean_over_targets_of_any_query():
    hidden = torch.tensor([[1.0], [-1.0]])
    # query 0: target 1 v. negative 0, scores 1 and 0; query 1: target 0 v. negative 1, scores 0 and -1
    loss = one_negative_bce(hidden, TABLE, torch.zeros(3), *map(torch.tensor, ([0, 1], [1, 0], [0, 1])))
    by_hand = [math.log1p(math.exp(-1)) + math.log(2), math.log(2) + math.log1p(math.exp(-1))]
    assert loss.item() == pytest.approx(sum(by_hand) / 2)


def test_sampled_softmax_by_hand():
    # target 1 scores 1, negatives 0 and 0 score 0: log(1 + 2 exp(-1))
    assert sampled(1, [0, 0]) == pytest.approx(math.log1p(2 * math.exp(-1)))


def test_a_negative_that_is_the_target_does_not_count():
    assert sampled(1, [1, 0]) == pytest.approx(math.log1p(math.exp(-1)))
    assert sampled(1, [1, 1]) == 0


def test_each_run_of_queries_has_its_own_draw():
    hidden = torch.tensor([[1.0]] * 3)
    # two draws for three queries: the first two are compared with item 0, the third with item 2
    loss = sampled_softmax(
        hidden, TABLE, torch.zeros(3), torch.arange(3), torch.tensor([1, 2, 1]), torch.tensor([[0], [2]])
    )
    by_hand = [math.log1p(math.exp(-1)), math.log1p(math.exp(-2)), math.log1p(math.exp(1))]
    assert loss.item() == pytest.approx(sum(by_hand) / 3)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 4), st.integers(0, 99))
def test_all_items_as_negatives_are_full_softmax(n_queries, n_items, n_draws, seed):
    torch.manual_seed(seed)
    made = [(n_queries, 3), (n_items, 3), (n_items,)]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in made]
    query = torch.sort(torch.randint(n_queries, (n_queries + 3,)))[0]
    item = torch.randint(n_items, (n_queries + 3,))
    ours = sampled_softmax(*inputs, query, item, torch.arange(n_items).repeat(n_draws, 1))
    theirs = full_softmax(*inputs, query, item)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    pairs = zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(theirs, inputs), strict=True)
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in pairs)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=20),
    st.lists(st.integers(0, 3), min_size=1, max_size=20),
    st.integers(0, 99),
)
def test_a_negative_is_never_in_its_row(held, asked, seed):
    torch.manual_seed(seed)
    rows, items = (torch.tensor([pair[n] for pair in held], dtype=torch.int64) for n in (0, 1))
    drawn = draw_unseen(rows, items, torch.tensor(asked), n_items=7)  # item 6 is always free
    assert drawn.min() >= 0
    assert drawn.max() < 7
    assert not set(zip(asked, drawn.tolist(), strict=True)) & set(held)


def test_every_item_a_row_does_not_hold_is_as_likely():
    torch.manual_seed(0)
    rows, items = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 2, 2, 4])
    drawn = draw_unseen(rows, items, torch.zeros(30_000, dtype=torch.int64), n_items=5)
    counts = np.bincount(drawn.numpy(), minlength=5)
    assert counts[[0, 2]].tolist() == [0, 0]
    assert counts[[1, 3, 4]] == pytest.approx(10_000, rel=0.05)


def test_a_row_that_holds_everything_gets_any_item():
    torch.manual_seed(0)
    drawn = draw_unseen(torch.zeros(3, dtype=int), torch.arange(3), torch.zeros(300, dtype=int), n_items=3)
    assert set(drawn.tolist()) == {0, 1, 2}
