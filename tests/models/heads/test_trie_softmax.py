import numpy as np
import torch

from models.heads.trie_softmax import TrieSoftmax
from models.tokenizers.code_table import build_trie

TRIE = build_trie(np.array([[0, 0], [0, 1], [1, 0]]))  # nodes: 0, 1 | 00, 01, 10


def test_probabilities_by_hand():
    # h . v = 0, so biases decide: level one odds 3:1, below prefix 0 odds 1:2
    head = TrieSoftmax(TRIE).double()
    bias = torch.log(torch.tensor([3.0, 1.0, 1.0, 2.0, 5.0], dtype=torch.float64))
    scored = head(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(5, 2, dtype=torch.float64), bias)
    prefixes = head.prefixes(scored).exp()[:, 0]
    assert torch.allclose(prefixes, torch.tensor([0.75, 0.25, 0.25, 0.5, 0.25], dtype=torch.float64))
    targets = head.targets(scored, torch.tensor([1, 2]), torch.tensor([0, 0])).exp()
    assert torch.allclose(targets, torch.tensor([0.5, 0.25], dtype=torch.float64))


def test_items_sum_to_one_and_agree_with_targets():
    torch.manual_seed(0)
    codes = np.unique(np.random.default_rng(0).integers(0, 5, (40, 3)), axis=0)
    head = TrieSoftmax(build_trie(codes)).double()
    n = len(build_trie(codes)) - 1
    scored = head(*(torch.randn(*s, dtype=torch.float64) * 4 for s in ((6, 8), (n, 8), (n,))))
    prefixes = head.prefixes(scored)
    leaves = prefixes[head.leaf_of].exp()
    assert torch.allclose(leaves.sum(0), torch.ones(6, dtype=torch.float64))
    item, query = torch.arange(len(codes)), torch.zeros(len(codes), dtype=torch.int64)
    assert torch.allclose(head.targets(scored, item, query).exp(), leaves[:, 0])
