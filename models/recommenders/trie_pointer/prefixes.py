"""Trie-pointer's prefixes: log-probabilities of those that a beam asks for, and of no others.

A prefix is as likely as all items below it: spelled code by code, or returned to. The codes are normalised
over whole groups of siblings, as `heads/trie_softmax.py` does for all of them at once, so a beam gives an
item the score that exact decoding gives it. Dims: Q queries, C children, P pairs, D model size, L levels.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from data.interactions import Ints
from models.heads.item_rows import ItemRows
from models.recommender import Mask, Reals
from models.tokenizers.code_table import Trie


@dataclass(frozen=True, slots=True)
class Returns:
    """Log-probability of returning to an item below a node, where there is one.

    Attributes:
        key: int64, query * N + node, ascending; N counts the root.
        log_mass: float64, parallel.
        n_nodes: N.
    """

    key: Ints
    log_mass: Reals
    n_nodes: int

    @classmethod
    def of(cls, query: Ints, path: Ints, back: Reals, n_nodes: int) -> Self:
        """Of pairs: their queries int64 [P], the nodes above their items [P, L] and log-probabilities [P]."""
        key, place = np.unique(query[:, None] * n_nodes + path, return_inverse=True)
        each = np.repeat(np.exp(back), path.shape[1])
        return cls(key, np.log(np.bincount(place.ravel(), each, len(key))), n_nodes)

    def to(self, query: Ints, node: Ints) -> Reals:
        """Float64 [C], -inf for nodes below which the user had nothing; ascending by query, then node."""
        asked = query * self.n_nodes + node
        place = np.searchsorted(asked, self.key)
        there = np.append(asked, -1)[place] == self.key
        found = np.full(len(asked), -np.inf)
        found[place[there]] = self.log_mass[there]
        return found


@dataclass(frozen=True, slots=True)
class Prefixes:
    """A `decoding.trie_beam.Score`.

    Attributes:
        hidden: float64 [Q, D].
        sentinel: float64 [Q], log-probability that something else than a return comes.
        returns: what comes back.
        nodes, bias: of the trie's nodes without the root.
        trie: the items' semantic IDs.
        late: bool, nodes that came after the weights were learned; None for none.
    """

    hidden: Tensor
    sentinel: Reals
    returns: Returns
    nodes: ItemRows
    bias: Reals
    trie: Trie
    late: Mask | None

    def __call__(self, query: Ints, node: Ints, spelled: Reals) -> tuple[Reals, Reals]:
        """See `Score`; what is told of a prefix is the log-probability that it is spelled."""
        logits = self._logits(query, node)
        parent = self.trie.parent[node]
        fresh = np.append(True, (np.diff(parent) != 0) | (np.diff(query) != 0))[: len(node)]
        counted = logits if self.late is None else np.where(self._counted(node, parent), logits, -np.inf)
        spelled = spelled + logits - _log_sums(counted, fresh)
        return np.logaddexp(spelled + self.sentinel[query], self.returns.to(query, node)), spelled

    def _logits(self, query: Ints, node: Ints) -> Reals:
        """State . v_node + b_node: float64 [C]; user by user, each has children of its own."""
        bounds = np.searchsorted(query, np.arange(len(self.hidden) + 1))
        rows, parts = torch.from_numpy(node - 1), []
        for hidden, begin, end in zip(self.hidden, bounds[:-1], bounds[1:], strict=True):
            parts.append(self.nodes.dots(rows[begin:end], hidden))
        products: Reals = torch.cat(parts).numpy()
        return products + self.bias[node - 1]

    def _counted(self, node: Ints, parent: Ints) -> Mask:
        """Nodes that the softmax of siblings is taken over, see `heads/trie_softmax.py`: bool [C]."""
        late = np.append(False, np.asarray(self.late))
        counted: Mask = ~late[node] | late[parent]
        return counted


def _log_sums(logits: Reals, fresh: Mask) -> Reals:
    """Log of the summed exponentials of each one's group, given where groups begin: [C] -> [C]."""
    first = np.flatnonzero(fresh)
    if not len(first):
        return logits
    group = np.cumsum(fresh) - 1
    peak = np.maximum.reduceat(logits, first)
    sums: Reals = (peak + np.log(np.add.reduceat(np.exp(logits - peak[group]), first)))[group]
    return sums
