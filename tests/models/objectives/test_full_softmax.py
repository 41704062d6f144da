"""Full softmax without a logits matrix: the same loss and gradients as cross-entropy."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from models.objectives import full_softmax as module
from models.objectives.full_softmax import full_softmax


def problem(n_queries, n_items, d, seed, dtype=torch.float64):
    torch.manual_seed(seed)
    hidden, table = torch.randn(n_queries, d, dtype=dtype), torch.randn(n_items, d, dtype=dtype)
    bias = torch.randn(n_items, dtype=dtype)
    return [x.requires_grad_() for x in (hidden, table, bias)]


def gradients(loss, inputs):
    return torch.autograd.grad(loss, inputs)


def test_two_items_by_hand():
    hidden, table = torch.tensor([[1.0]]), torch.tensor([[0.0], [1.0]])
    loss = full_softmax(hidden, table, torch.zeros(2), torch.tensor([0]), torch.tensor([1]))
    assert loss.item() == pytest.approx(0.31326, abs=1e-5)  # log(1 + exp(-1))


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 5), st.integers(0, 99), st.integers(1, 40))
def test_equals_cross_entropy_forward_and_backward(n_queries, n_items, d, seed, block_items):
    inputs = problem(n_queries, n_items, d, seed)
    query = torch.sort(torch.randint(n_queries, (n_queries + 3,)))[0]
    item = torch.randint(n_items, (n_queries + 3,))
    with pytest.MonkeyPatch.context() as patch:  # blocks of one row up to all of them
        patch.setattr(module, "BLOCK_BYTES", block_items * 8)
        ours = full_softmax(*inputs, query, item)
        mine = gradients(3 * ours, inputs)
    hidden, table, bias = inputs
    theirs = cross_entropy((hidden @ table.T + bias)[query], item)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    for a, b in zip(mine, gradients(3 * theirs, inputs), strict=True):
        assert torch.allclose(a, b, atol=1e-10)


def test_float32_stays_within_1e5_of_cross_entropy():
    hidden, table, bias = problem(300, 2_000, 64, seed=0, dtype=torch.float32)
    query, item = torch.arange(300), torch.randint(2_000, (300,))
    ours, theirs = (
        full_softmax(hidden, table, bias, query, item),
        cross_entropy(hidden @ table.T + bias, item),
    )
    assert abs(ours.item() - theirs.item()) < 1e-5 * theirs.item()
    pairs = zip(gradients(ours, (hidden, table, bias)), gradients(theirs, (hidden, table, bias)), strict=True)
    assert all((a - b).abs().max() < 1e-5 for a, b in pairs)


def test_huge_logits_do_not_overflow():
    hidden, table = torch.full((2, 1), 1e4), torch.tensor([[1.0], [2.0]])
    loss = full_softmax(hidden, table, torch.zeros(2), torch.tensor([0, 1]), torch.tensor([1, 1]))
    assert loss.item() == 0


def test_a_query_without_a_target_gets_no_gradient():
    hidden, table, bias = problem(3, 4, 2, seed=1)
    loss = full_softmax(hidden, table, bias, torch.tensor([0, 0, 2]), torch.tensor([1, 2, 3]))
    assert gradients(loss, [hidden])[0][1].abs().max() == 0


def test_logits_too_large_to_leave_as_they_are_keep_their_gradients():
    hidden, table, bias = problem(6, 40, 3, seed=2)
    query, item = torch.tensor([0, 0, 1, 3, 5, 5]), torch.arange(6)
    inputs = [(20 * hidden).detach().requires_grad_(), table, bias]
    logits = inputs[0] @ table.T + bias
    assert logits.abs().max() > module.SAFE_EXPONENT / module.LOG2_E
    mine = gradients(full_softmax(*inputs, query, item), inputs)
    theirs = gradients(cross_entropy(logits[query], item), inputs)
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(mine, theirs, strict=True))


def test_an_item_closed_by_its_bias_has_no_share_and_no_gradient():
    hidden, table, _ = problem(3, 4, 2, seed=1)
    closed = torch.tensor([0.0, 0.0, -torch.inf, 0.0], dtype=torch.float64)
    query, item = torch.tensor([0, 1, 2]), torch.tensor([1, 0, 3])
    loss = full_softmax(hidden, table, closed, query, item)
    open_items = torch.tensor([0, 1, 3])
    by_hand = cross_entropy(hidden @ table[open_items].T, torch.tensor([1, 0, 2]))
    assert loss.item() == pytest.approx(by_hand.item(), abs=1e-10)
    grad_hidden, grad_table = gradients(loss, (hidden, table))
    assert torch.isfinite(grad_hidden).all()
    assert grad_table[2].abs().max() == 0


def test_no_query_costs_nothing():
    hidden, table, bias = problem(0, 4, 2, seed=3)
    nothing = torch.empty(0, dtype=torch.int64)
    loss = full_softmax(hidden, table, bias, nothing, nothing)
    assert loss.item() == 0
    assert gradients(loss, [table])[0].abs().max() == 0


def test_what_is_left_out_of_a_query_has_no_share_in_it():
    hidden, table = torch.zeros(2, 1), torch.zeros(4, 1)
    out = torch.tensor([0, 0, 1]), torch.tensor([1, 2, 3])
    query, item = torch.tensor([0, 1]), torch.tensor([3, 0])
    loss = full_softmax(hidden, table, torch.zeros(4), query, item, left_out=out)
    assert loss.item() == pytest.approx((math.log(2) + math.log(3)) / 2)  # 2 and 3 items are left


@settings(max_examples=30)
@given(
    st.integers(1, 9), st.integers(2, 12), st.integers(0, 99), st.integers(1, 40), st.sampled_from([1, 40])
)
def test_left_out_equals_cross_entropy_over_the_rest(n_queries, n_items, seed, block_items, size):
    hidden, table, bias = problem(n_queries, n_items, 3, seed)
    hidden = (size * hidden).detach().requires_grad_()  # as they are, and too large to leave so
    query, item = torch.arange(n_queries), torch.randint(n_items, (n_queries,))
    outside = torch.rand(n_queries, n_items) < 0.5
    outside[query, item] = False
    inputs = hidden, table, bias
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block_items * 8)
        ours = full_softmax(*inputs, query, item, left_out=outside.nonzero(as_tuple=True))
        mine = gradients(ours, inputs)
    theirs = cross_entropy((hidden @ table.T + bias).masked_fill(outside, -torch.inf), item)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    for a, b in zip(mine, gradients(theirs, inputs), strict=True):
        assert torch.allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("size", [1, 1000])
def test_a_query_with_nothing_left_and_no_target_costs_nothing(size):
    hidden, table, bias = problem(2, 3, 2, seed=4)
    hidden = (size * hidden).detach().requires_grad_()
    out = torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2])
    query, item = torch.tensor([1]), torch.tensor([2])
    loss = full_softmax(hidden, table, bias, query, item, left_out=out)
    alone = full_softmax(hidden[1:], table, bias, query - 1, item)
    assert loss.item() == pytest.approx(alone.item(), abs=1e-10)
    of_hidden, of_table = gradients(loss, (hidden, table))
    assert of_hidden[0].abs().max() == 0
    assert torch.isfinite(of_table).all()


def test_a_closed_item_does_not_make_logits_count_as_large():
    hidden, table, bias = torch.ones(1, 2), torch.ones(3, 2), torch.tensor([0.0, -torch.inf, -3.0])
    assert module._largest_logit(hidden, table, bias).item() == pytest.approx(2 + 3)  # |(1, 1)| squared + 3


@pytest.fixture
def any_processor(monkeypatch):
    """Small products in bfloat16 may be slow for a test."""
    monkeypatch.setattr("models.learning.device.multiplies_bfloat16", lambda device: True)


@pytest.mark.parametrize(("size", "most"), [(1, 0.003), (20, 0.03)])
def test_bfloat16_is_off_by_its_eight_bits(any_processor, size, most):
    hidden, table, bias = problem(300, 2_000, 64, seed=0, dtype=torch.float32)
    inputs = [
        (size / 8 * hidden).detach().requires_grad_(),
        table,
        bias,
    ]  # as they are; less the largest
    query, item = torch.arange(300), torch.randint(2_000, (300,))
    out = query, (item + 1) % 2_000
    wide = full_softmax(*inputs, query, item, left_out=out)
    rough = full_softmax(*inputs, query, item, left_out=out, precision=torch.bfloat16)
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(wide.item(), rel=2e-3)
    for a, b in zip(gradients(rough, inputs), gradients(wide, inputs), strict=True):
        assert a.dtype == torch.float32
        assert 0 < (a - b).norm() < most * b.norm()


def test_in_bfloat16_the_targets_part_is_exact(any_processor):
    hidden, table = torch.tensor([[1.0]], requires_grad=True), torch.tensor([[1.001], [-90.03]])
    target = torch.tensor([0]), torch.tensor([1])
    loss = full_softmax(hidden, table, torch.zeros(2), *target, precision=torch.bfloat16)
    in_bfloat16 = 1.4453125 * math.log(2)  # log2(e) and 1.001 have 8 bits in the normaliser
    assert loss.item() == pytest.approx(90.03 + in_bfloat16, rel=1e-6)
    assert gradients(loss, [hidden])[0].item() == pytest.approx(90.03 + 1.0, rel=1e-6)


def test_bfloat16_wants_a_processor_for_it(monkeypatch):
    monkeypatch.setattr("models.learning.device.multiplies_bfloat16", lambda device: False)
    inputs = problem(2, 3, 2, seed=0, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"no instructions for bfloat16 .*: set loss_precision to float32"):
        full_softmax(*inputs, torch.tensor([0]), torch.tensor([1]), precision=torch.bfloat16)


def test_a_bias_that_is_not_learned_changes_no_other_gradient():
    hidden, table, bias = problem(6, 9, 3, seed=5)
    query, item = torch.arange(6), torch.arange(6)
    learned = gradients(full_softmax(hidden, table, bias, query, item), [hidden, table])
    fixed = gradients(full_softmax(hidden, table, bias.detach(), query, item), [hidden, table])
    assert all(torch.equal(a, b) for a, b in zip(learned, fixed, strict=True))
