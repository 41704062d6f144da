import pytest
import torch

from models.sequence.mixers.attention import CausalAttention
from models.sequence.trunk import Trunk


def trunk(n_blocks=2, *, distance_bias=True):
    torch.manual_seed(0)
    made = Trunk(
        lambda: CausalAttention(8, 2, distance_bias=distance_bias), n_blocks=n_blocks, d_model=8, dropout=0.1
    )
    return made.double().eval()


@pytest.mark.parametrize("distance_bias", [True, False])
def test_no_position_sees_what_comes_after_it(distance_bias):
    made, x = trunk(distance_bias=distance_bias), torch.randn(3, 7, 8, dtype=torch.float64)
    later = x.clone()
    later[:, 4:] = torch.randn(3, 3, 8, dtype=torch.float64)
    assert torch.equal(made(x)[:, :4], made(later)[:, :4])
    assert not torch.allclose(made(x)[:, 4:], made(later)[:, 4:])


@pytest.mark.parametrize("n_blocks", [1, 2])
@pytest.mark.parametrize("distance_bias", [True, False])
def test_one_position_alone_is_that_position_of_the_whole(n_blocks, distance_bias):
    made, x = trunk(n_blocks, distance_bias=distance_bias), torch.randn(3, 7, 8, dtype=torch.float64)
    place = torch.tensor([0, 6, 3])
    assert torch.allclose(made.at(x, place), made(x)[torch.arange(3), place], rtol=0, atol=1e-12)
