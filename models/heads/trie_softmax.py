"""Trie softmax: the probability of an item as the product of its codes', each given the prefix before it.

Log p(item | h) = sum over levels of log softmax over siblings of (h . v_node + b_node). Only prefixes that
some item owns have nodes, so no probability is spent on codes that mean nothing. This is the factorisation
of TIGER (Rajput et al. 2023, arXiv:2305.05065, section 3.2) with the prefix in the output vector instead of
in a decoder, which makes scoring all items one matrix product (hierarchical softmax, Morin and Bengio 2005).
Dims: B hidden states, N trie nodes without the root, R nodes that have children (root included), M targets.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.tokenizers.code_table import Trie


@dataclass(frozen=True, slots=True)
class NodeLogits:
    """Unnormalised scores.

    Attributes:
        logits: [N, B], h . v + b.
        log_sums: [R, B], log of the summed exponentials of each node's children.
    """

    logits: Tensor
    log_sums: Tensor


class TrieSoftmax(nn.Module):
    """Log-probabilities of prefixes and items."""

    parent: Tensor
    leaf_of: Tensor
    path: Tensor

    def __init__(self, trie: Trie) -> None:
        super().__init__()
        self.level_ends = [int(offset) - 1 for offset in trie.level_offsets[2:]]
        self.n_inner = int(trie.level_offsets[-2])
        self.register_buffer("parent", torch.from_numpy(trie.parent[1:].copy()), persistent=False)
        self.register_buffer("leaf_of", torch.from_numpy(trie.leaf_of - 1), persistent=False)
        self.register_buffer("path", torch.from_numpy(trie.paths() - 1), persistent=False)

    def forward(self, hidden: Tensor, nodes: Tensor, bias: Tensor) -> NodeLogits:
        """Score every node: [B, D], [N, D], [N] -> [N, B] and [R, B]."""
        logits = torch.addmm(bias[:, None], nodes, hidden.T)
        peak = logits.detach().amax(0)
        sums = logits.new_zeros(self.n_inner, len(hidden)).index_add(0, self.parent, (logits - peak).exp())
        return NodeLogits(logits, peak + sums.clamp(min=torch.finfo(sums.dtype).tiny).log())

    def targets(self, scored: NodeLogits, item: Tensor, query: Tensor) -> Tensor:
        """Log p(item[m] | h[query[m]]): two int64 [M] -> [M]."""
        nodes, query = self.path[item], query[:, None]
        return (scored.logits[nodes, query] - scored.log_sums[self.parent[nodes], query]).sum(1)

    def prefixes(self, scored: NodeLogits) -> Tensor:
        """Log p(prefix up to the node | h): [N, B]."""
        total = scored.logits - scored.log_sums[self.parent]
        for begin, end in zip(self.level_ends, self.level_ends[1:], strict=False):
            total[begin:end] += total[self.parent[begin:end] - 1]
        return total
