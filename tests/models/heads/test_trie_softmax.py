import numpy as np
import pytest
import torch

from models.heads.trie_softmax import TrieSoftmax
from models.tokenizers.code_table import build_trie

TRIE = build_trie(np.array([[0, 0], [0, 1], [1, 0]]))  # nodes: 0, 1 | 00, 01, 10


def test_probabilities_by_hand():
    # h . v = 0, so biases decide: level one odds 3:1, below prefix 0 odds 1:2
    head = TrieSoftmax(TRIE).double()
    bias = torch.log(torch.tensor([3.0, 1.0, 1.0, 2.0, 5.0], dtype=torch.float64))
    given = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(5, 2, dtype=torch.float64), bias
    leaves = head.leaves(bias[:, None].clone()).exp()[:, 0]
    assert torch.allclose(leaves, torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64))
    targets = head.targets(*given, torch.tensor([1, 2]), torch.tensor([0, 0])).exp()
    assert torch.allclose(targets, torch.tensor([0.5, 0.25], dtype=torch.float64))


@pytest.mark.parametrize("n_levels", [2, 3])
def test_items_sum_to_one_and_agree_with_targets_in_value_and_gradient(n_levels):
    torch.manual_seed(0)
    codes = np.unique(np.random.default_rng(0).integers(0, 5, (40, n_levels)), axis=0)
    head = TrieSoftmax(build_trie(codes)).double()
    n = len(build_trie(codes)) - 1
    given = [torch.randn(*s, dtype=torch.float64) * 4 for s in ((6, 8), (n, 8), (n,))]
    for tensor in given:
        tensor.requires_grad_()
    leaves = head.leaves(torch.addmm(given[2][:, None], given[1], given[0].T).clone())[head.leaf]
    assert torch.allclose(leaves.exp().sum(0), torch.ones(6, dtype=torch.float64))
    item, query = torch.arange(len(codes)).repeat_interleave(6), torch.arange(6).repeat(len(codes))
    targets = head.targets(*given, item, query)
    assert torch.allclose(targets, leaves[item, query])
    weight = torch.randn(len(item), dtype=torch.float64)
    slopes = [torch.autograd.grad((weight * x).sum(), given) for x in (targets, leaves[item, query])]
    assert all(torch.allclose(a, b) for a, b in zip(*slopes, strict=True))


def test_float32_holds_groups_that_lie_far_apart():
    # level one is 200 apart, the siblings below 0 lie 150 under it and those below 1 another 100
    head = TrieSoftmax(TRIE)
    bias = torch.tensor([200.0, 0.0, 50.0, 50.0, -50.0])
    found = head.leaves(bias[:, None])[:, 0]
    assert found.tolist() == pytest.approx([-np.log(2), -np.log(2), -200], abs=1e-5)
