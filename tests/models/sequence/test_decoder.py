import pytest
import torch

from models.sequence.cross_attention import CrossAttention, Memory
from models.sequence.decoder import Branches, Decoder
from models.sequence.encoder import Encoder
from models.sequence.mixers.block_causal import BlockCausalAttention

D = 8
CLOSE = {"rtol": 0, "atol": 1e-12}


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def decoder(*, cross):
    return Decoder(n_blocks=2, d_model=D, n_heads=2, dropout=0.1, cross=cross).double().eval()


@pytest.mark.parametrize("cross", [False, True])
def test_grown_branches_equal_reading_each_sequence_whole(cross):
    # two queries with stems of 3 and 1 positions; branches: 2 tokens, then 3 that go on from branches 1, 0, 1
    made, stem, last = decoder(cross=cross), noise(2, 3, D), torch.tensor([2, 0])
    memory = Memory(noise(2, 4, D), torch.tensor([[True] * 4, [True, False, True, False]])) if cross else None
    one, two, source = noise(2, 2, D), noise(2, 3, D), torch.tensor([[1, 0, 1], [0, 0, 1]])
    branches = Branches(made, stem, last, memory)
    first, second = branches.grow(one, torch.zeros(2, 2, dtype=torch.int64)), branches.grow(two, source)
    for query in range(2):
        alone = memory and Memory(memory.vectors[query : query + 1], memory.real[query : query + 1])
        read = stem[query, : last[query] + 1]
        assert torch.allclose(branches.hidden[query], made(read[None], alone)[0, -1], **CLOSE)
        for branch in range(3):
            before = one[query, source[query, branch]]
            whole = made(torch.cat([read, before[None], two[query, branch : branch + 1]])[None], alone)[0]
            assert torch.allclose(second[query, branch], whole[-1], **CLOSE)
            assert torch.allclose(first[query, source[query, branch]], whole[-2], **CLOSE)


def test_pads_of_a_memory_are_not_looked_at():
    cross, x, vectors = CrossAttention(D, 2).double(), noise(1, 3, D), noise(1, 4, D)
    real = torch.tensor([[True, True, False, False]])
    without_pads = Memory(vectors[:, :2], real[:, :2])
    assert torch.allclose(cross(x, Memory(vectors, real)), cross(x, without_pads), **CLOSE)


def test_an_encoder_sees_both_ways_but_no_pads():
    made = Encoder(n_blocks=2, d_model=D, n_heads=2, dropout=0.1).double().eval()
    x, real = noise(1, 4, D), torch.tensor([[True, True, True, False]])
    memory, other = made(x, real), x.clone()
    other[:, 3] = noise(D)
    assert torch.allclose(made(other, real).vectors[:, :3], memory.vectors[:, :3], **CLOSE)
    other[:, 2] = noise(D)
    assert not torch.allclose(made(other, real).vectors[:, 0], memory.vectors[:, 0])


def test_a_token_sees_its_own_block_both_ways_and_no_later_one():
    mixer, x = BlockCausalAttention(D, 2, block=3).double(), noise(1, 9, D)
    later = x.clone()
    later[:, 5] = noise(D)
    same = [torch.allclose(mixer(x)[:, place], mixer(later)[:, place]) for place in range(9)]
    assert same == [True, True, True, False, False, False, False, False, False]
