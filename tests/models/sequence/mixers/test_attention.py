import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from models.sequence.cross_attention import CrossAttention, Memory
from models.sequence.mixers.attention import CausalAttention
from models.sequence.mixers.block_causal import BlockCausalAttention

D, HEADS = 8, 2
MIXERS = {
    "causal": CausalAttention(D, HEADS, distance_bias=False),
    "fading": CausalAttention(D, HEADS, distance_bias=True),
    "block-causal": BlockCausalAttention(D, HEADS, block=3),
}


def kernels(act):
    """Names of the operations that `act` ran."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        act()
    return {event.key for event in seen.key_averages()}


@pytest.mark.parametrize("mixer", MIXERS.values(), ids=MIXERS)
def test_attention_takes_the_fused_kernel_both_ways(mixer):
    x = torch.randn(2, 6, D, requires_grad=True)
    learned = kernels(lambda: mixer(x).sum().backward())
    assert "aten::_scaled_dot_product_flash_attention_for_cpu" in learned
    assert "aten::_scaled_dot_product_flash_attention_for_cpu_backward" in learned
    answered = kernels(lambda: mixer.at(x, torch.tensor([5, 2])))
    assert "aten::_scaled_dot_product_flash_attention_for_cpu" in answered


def test_cross_attention_takes_it_too():
    cross, memory = CrossAttention(D, HEADS), Memory(torch.randn(2, 4, D), torch.ones(2, 4, dtype=torch.bool))
    x = torch.randn(2, 3, D, requires_grad=True)
    learned = kernels(lambda: cross(x, memory).sum().backward())
    assert "aten::_scaled_dot_product_flash_attention_for_cpu_backward" in learned
