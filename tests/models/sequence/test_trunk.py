"""Trunks of every block style: causal, and the same at one position as at all."""

import pytest
import torch

from models.sequence.blocks import BareBlock, GatedBlock, PreNormBlock
from models.sequence.mixers.attention import CausalAttention
from models.sequence.mixers.gated_pointwise import GatedPointwise
from models.sequence.trunk import Trunk

MIXERS = {
    "attention": lambda: CausalAttention(8, 2, distance_bias=False),
    "attention with distance": lambda: CausalAttention(8, 2, distance_bias=True),
    "gated pointwise": lambda: GatedPointwise(8, 2, n_positions=7, dropout=0.1),
}
STYLES = [PreNormBlock, GatedBlock, BareBlock]
DAYS = torch.tensor([0.0, 1, 1, 4, 90, 400, 401]).expand(3, -1)


def trunk(mixer, style, n_blocks=2):
    torch.manual_seed(0)
    made = Trunk(MIXERS[mixer], n_blocks=n_blocks, d_model=8, dropout=0.1, block=style)
    return made.double().eval()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mixer", MIXERS)
def test_no_position_sees_what_comes_after_it(mixer, style):
    made, x = trunk(mixer, style), torch.randn(3, 7, 8, dtype=torch.float64)
    later = x.clone()
    later[:, 4:] = torch.randn(3, 3, 8, dtype=torch.float64)
    assert made(x, DAYS).shape == (3, 7, 8)
    assert torch.equal(made(x, DAYS)[:, :4], made(later, DAYS)[:, :4])
    assert not torch.allclose(made(x, DAYS)[:, 4:], made(later, DAYS)[:, 4:])


@pytest.mark.parametrize("n_blocks", [1, 2])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mixer", MIXERS)
def test_one_position_alone_is_that_position_of_the_whole(mixer, style, n_blocks):
    made, x = trunk(mixer, style, n_blocks), torch.randn(3, 7, 8, dtype=torch.float64)
    place = torch.tensor([0, 6, 3])
    whole = made(x, DAYS)[torch.arange(3), place]
    assert torch.allclose(made.at(x, place, DAYS), whole, rtol=0, atol=1e-12)


def test_a_gate_that_is_shut_lets_nothing_through():
    [block] = trunk("attention", GatedBlock, n_blocks=1).blocks
    for gate in (block.gate_mixer, block.gate_network):
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.constant_(gate.bias, -1e4)
    x = torch.randn(3, 7, 8, dtype=torch.float64)
    assert torch.equal(block(x), x)


def test_a_gated_block_by_hand():
    [block] = trunk("attention", GatedBlock, n_blocks=1).blocks
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    after = x + torch.sigmoid(block.gate_mixer(x)) * block.mixer(block.norm_mixer(x))
    inner, net = block.norm_network(after), block.network
    ahead = net.down(torch.nn.functional.silu(net.gate(inner)) * net.up(inner))
    assert torch.allclose(block(x), after + torch.sigmoid(block.gate_network(after)) * ahead)
