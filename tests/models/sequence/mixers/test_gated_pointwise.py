"""Gated pointwise attention: causal, the same alone as in a row, and aware of time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import silu

from models.sequence.mixers.gated_pointwise import GatedPointwise, time_buckets

SECOND = 1 / 86_400


def mixer(d_model=8, n_heads=2, n_positions=9):
    torch.manual_seed(0)
    made = GatedPointwise(d_model, n_heads, n_positions=n_positions, dropout=0.3)
    torch.nn.init.normal_(made.by_distance)
    torch.nn.init.normal_(made.by_time)
    return made.double().eval()


def inputs(n_rows, n_positions, seed):
    torch.manual_seed(seed)
    days = torch.rand(n_rows, n_positions).mul(300).cumsum(1)
    return torch.randn(n_rows, n_positions, 8, dtype=torch.float64), days


@settings(max_examples=25)
@given(st.integers(1, 9), st.data(), st.integers(0, 99))
def test_no_position_sees_what_comes_after_it(n_positions, data, seed):
    seen = data.draw(st.integers(1, n_positions))
    (x, days), (later, later_days) = inputs(2, n_positions, seed), inputs(2, n_positions, seed + 1)
    later[:, :seen], later_days[:, :seen] = x[:, :seen], days[:, :seen]
    made = mixer()
    assert torch.allclose(made(x, days)[:, :seen], made(later, later_days)[:, :seen], rtol=0, atol=1e-12)


@settings(max_examples=25)
@given(st.integers(1, 9), st.data(), st.booleans())
def test_one_position_alone_is_that_position_of_the_whole(n_positions, data, clock):
    place = torch.tensor(data.draw(st.lists(st.integers(0, n_positions - 1), min_size=3, max_size=3)))
    x, days = inputs(3, n_positions, seed=1)
    days = days if clock else None
    made = mixer()
    whole = made(x, days)[torch.arange(3), place]
    assert torch.allclose(made.at(x, place, days), whole, rtol=0, atol=1e-12)


def test_padding_behind_a_row_changes_nothing():
    x, days = inputs(1, 4, seed=2)
    padded = torch.cat([x, torch.zeros(1, 3, 8, dtype=torch.float64)], dim=1)
    padded_days = torch.cat([days, torch.zeros(1, 3)], dim=1)
    made = mixer()
    assert torch.allclose(made(padded, padded_days)[:, :4], made(x, days), rtol=0, atol=1e-12)


def test_one_head_by_hand():
    made = mixer(d_model=2, n_heads=1, n_positions=3)
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]], dtype=torch.float64)
    days = torch.tensor([[0.0, 5.0]])
    gate, query, key, value = silu(made.project(x)).chunk(4, -1)
    bucket = 43  # log(5 * 86,400 s) / 0.301 = 43.1
    bias = [made.by_distance[1] + made.by_time[bucket], made.by_distance[0] + made.by_time[0]]
    weights = [silu(query[0, 1] @ key[0, n] + bias[n]) / 3 for n in range(2)]
    mixed = weights[0] * value[0, 0] + weights[1] * value[0, 1]
    expected = made.out(gate[0, 1] * made.norm(mixed))
    assert torch.allclose(made(x, days)[0, 1], expected)


def test_how_long_ago_matters():
    x, days = inputs(1, 5, seed=3)
    assert not torch.allclose(mixer()(x, days), mixer()(x, days * 10))


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(-50, 0), (0, 0), (1, 0), (2, 2), (60, 13), (86_400, 37), (1e12, 63)]
)
def test_buckets_grow_with_the_logarithm_of_time(seconds, bucket):
    # log(2) / 0.301 = 2.3, log(60) / 0.301 = 13.6, log(86,400) / 0.301 = 37.8
    assert time_buckets(torch.tensor([seconds * SECOND])).item() == bucket
