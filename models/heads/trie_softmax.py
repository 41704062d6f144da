"""Trie softmax: the probability of an item as the product of its codes', each given the prefix before it.

Log p(item | h) = sum over levels of log softmax over siblings of (h . v_node + b_node). Only prefixes that
some item owns have nodes, so no probability is spent on codes that mean nothing. This is the factorisation
of TIGER (Rajput et al. 2023, arXiv:2305.05065, section 3.2) with the prefix in the output vector instead of
in a decoder, which makes scoring all items one matrix product (hierarchical softmax, Morin and Bengio 2005).
Nodes that came after the weights were learned are scored by the sums of those before them, so that what was
learned keeps its numbers.
Dims: B hidden states, N trie nodes without the root, R nodes that have children (root included), M targets,
S leaves that are siblings of targets.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.recommender import Mask
from models.tokenizers.code_table import Trie


class TrieSoftmax(nn.Module):
    """Log-probabilities of prefixes and items; the vectors and biases of the nodes are given.

    `leaf`, int64 [I], is the place of each item among the leaves.
    """

    parent: Tensor
    leaf: Tensor
    path: Tensor
    child_begin: Tensor
    n_children: Tensor
    counted: Tensor | None

    def __init__(self, trie: Trie, late: Mask | None = None) -> None:
        """Lay out the trie.

        Args:
            trie: of the items' semantic IDs.
            late: bool [N], nodes that came after the weights were learned; None for none. The softmax of
                siblings is taken over those that are not late, or over all where all are.
        """
        super().__init__()
        self.late = late
        counted = None
        if late is not None:
            counted = torch.from_numpy(np.flatnonzero(~late | np.append(False, late)[trie.parent[1:]]))
        self.register_buffer("counted", counted, persistent=False)
        self.level_ends = [int(offset) - 1 for offset in trie.level_offsets[2:]]
        self.n_inner = int(trie.level_offsets[-2])
        offsets = torch.from_numpy(trie.child_offsets[: self.n_inner + 1].copy())
        self.register_buffer("parent", torch.from_numpy(trie.parent[1:]), persistent=False)
        self.register_buffer("leaf", torch.from_numpy(trie.leaf_of - self.n_inner), persistent=False)
        self.register_buffer("path", torch.from_numpy(trie.paths() - 1), persistent=False)
        self.register_buffer("child_begin", offsets[:-1] - 1, persistent=False)
        self.register_buffer("n_children", offsets.diff(), persistent=False)

    def leaves(self, logits: Tensor) -> Tensor:
        """Log p(item | h) in trie order, from h . v_node + b_node: [N, B] -> [I, B].

        May overwrite what it is given.
        """
        ahead = self._ahead(logits)
        first = self.n_inner - 1
        return logits[first:].add_(ahead.index_select(0, self.parent[first:]))

    def _ahead(self, logits: Tensor) -> Tensor:
        """What each inner node adds to the logits of its children: [N, B] -> [R, B]."""
        ahead = -self._sums(logits)
        begin = 0
        for end in self.level_ends[:-1]:
            above = ahead[self.parent[begin:end]]
            ahead[begin + 1 : end + 1] += logits[begin:end] + above
            begin = end
        return ahead

    def targets(self, hidden: Tensor, nodes: Tensor, bias: Tensor, item: Tensor, query: Tensor) -> Tensor:
        """Log p(item[m] | h[query[m]]), without scoring the leaves that no target needs.

        Most nodes are leaves, and a target's probability only depends on its siblings among them: on 26,000
        items a training step takes half the time.

        Args:
            hidden: [B, D].
            nodes: [N, D], in trie order.
            bias: [N].
            item: int64 [M].
            query: int64 [M], in [0, B).

        Returns:
            [M].
        """
        inner, leaf = self.path[item, :-1], self.path[item, -1]
        above = self.parent[: self.n_inner - 1]
        logits = torch.addmm(bias[: self.n_inner - 1, None], nodes[: self.n_inner - 1], hidden.T)
        sums = _log_sums(logits, above, self.n_inner)
        asked = query[:, None]
        spelled = (logits[inner, asked] - sums[above[inner], asked]).sum(1)
        return spelled + self._leaf(hidden, nodes, bias, leaf, query)

    def _sums(self, logits: Tensor) -> Tensor:
        """Log of the summed exponentials below each inner node: [N, B] -> [R, B]."""
        if self.counted is None:
            return _log_sums(logits, self.parent, self.n_inner)
        return _log_sums(logits[self.counted], self.parent[self.counted], self.n_inner)

    def _leaf(self, hidden: Tensor, nodes: Tensor, bias: Tensor, leaf: Tensor, query: Tensor) -> Tensor:
        """Log softmax of each target's leaf among its siblings: [M]."""
        group = self.parent[leaf]
        sizes, begin = self.n_children[group], self.child_begin[group]
        ahead = sizes.cumsum(0) - sizes
        owner = torch.repeat_interleave(torch.arange(len(leaf), device=leaf.device), sizes)
        sibling = torch.arange(len(owner), device=leaf.device) + (begin - ahead)[owner]
        states = hidden.index_select(0, query[owner])
        logits = (nodes.index_select(0, sibling) * states).sum(1) + bias[sibling]
        sums = _log_sums(logits[:, None], owner, len(leaf))[:, 0]
        return logits[ahead + leaf - begin] - sums


def _log_sums(logits: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """Log of the summed exponentials of each group of rows: [S, B], int64 [S] -> [n_groups, B].

    Shifted by each group's largest, so that float32 holds it however far apart groups lie. A group without a
    row gets a very low number.
    """
    values, own = logits.detach(), group[:, None].expand(-1, logits.shape[1])
    lowest = values.new_full((n_groups, logits.shape[1]), torch.finfo(logits.dtype).min)
    peak = lowest.scatter_reduce(0, own, values, "amax")
    shifted = (logits - peak.index_select(0, group)).exp_()
    sums = torch.zeros_like(peak).index_add(0, group, shifted)
    return peak + sums.clamp(min=torch.finfo(sums.dtype).tiny).log()
