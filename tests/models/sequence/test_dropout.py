"""Dropout zeroes the share it says, keeps the mean, and is torch's own in all but speed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models.sequence.dropout import Dropout, kept

N = 400_000


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
def test_every_place_of_a_draw_is_zero_as_often_as_it_should_be(p):
    torch.manual_seed(0)
    factor = kept(torch.empty(N), p)
    # 1e5 numbers a place: five standard deviations of a share
    for place in range(4):
        share = (factor[place::4] == 0).float().mean().item()
        assert share == pytest.approx(p, abs=5 * (p * (1 - p) / (N / 4)) ** 0.5)
    assert factor.max().item() == pytest.approx(1 / (1 - p), rel=2**-16 / (1 - p))
    assert factor.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / N) ** 0.5)


def test_places_of_one_draw_do_not_know_of_each_other():
    torch.manual_seed(1)
    dropped = (kept(torch.empty(N), 0.5) == 0).view(-1, 4).double()
    apart = torch.corrcoef(dropped.T) - torch.eye(4)
    assert apart.abs().max() < 5 * (N / 4) ** -0.5


@given(shape=st.lists(st.integers(0, 7), min_size=0, max_size=4), p=st.floats(0, 0.999))
def test_any_shape_keeps_its_shape_and_what_is_kept_is_scaled(shape, p):
    module, x = Dropout(p), torch.ones(shape, dtype=torch.float64)
    out = module(x)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    values = set(out.flatten().tolist())
    assert all(value == 0 or value >= 1 for value in values)
    assert len(values - {0.0}) <= 1


def test_nothing_is_dropped_where_it_answers_or_nothing_should_be():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_the_gradient_goes_where_the_value_went():
    torch.manual_seed(2)
    x = torch.randn(50, 8, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    assert torch.equal(out, x * x.grad)


def test_a_seed_repeats_it_whatever_the_number_of_threads():
    def drawn(threads):
        torch.set_num_threads(threads)
        torch.manual_seed(3)
        return kept(torch.empty(100_000), 0.2)

    before = torch.get_num_threads()
    try:
        assert torch.equal(drawn(1), drawn(2))
    finally:
        torch.set_num_threads(before)


def test_it_stands_where_torchs_own_stood():
    ours, theirs = (nn.Sequential(nn.Linear(2, 2), kind(0.1)) for kind in (Dropout, nn.Dropout))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert repr(ours[1]) == "Dropout(p=0.1)"
