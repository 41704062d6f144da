"""Code table: the semantic ID of every item, its trie and its generation id.

Knows codes, not how they were learned. Dims: I items, L levels, K codes per level, N trie nodes.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from data.interactions import Ints


@dataclass(frozen=True)
class Trie:
    """The prefixes that items spell, as CSR arrays; node 0 is the root, nodes are in level order.

    Nodes of one level are sorted by prefix, so siblings are contiguous. The nodes of the last level are the
    items themselves, so a trie of I items has exactly I leaves.

    Attributes:
        level_offsets: int64 [L + 2]; level l (root = 0) owns nodes level_offsets[l]:level_offsets[l + 1].
        parent: int64 [N], -1 for the root.
        code: int64 [N], code of the node within its level, -1 for the root.
        child_offsets: int64 [N + 1]; children of n are the nodes child_offsets[n]:child_offsets[n + 1].
        leaf_of: int64 [I], node of each item.
        item_of: int64 [N], item of a leaf, -1 elsewhere.
    """

    level_offsets: Ints
    parent: Ints
    code: Ints
    child_offsets: Ints
    leaf_of: Ints
    item_of: Ints

    @property
    def n_levels(self) -> int:
        """L."""
        return len(self.level_offsets) - 2

    def __len__(self) -> int:
        """Number of nodes N, the root included."""
        return len(self.parent)

    @cached_property
    def one_item(self) -> NDArray[np.bool_]:
        """Nodes at or below which there is only one item: bool [N]."""
        alone = self.child_offsets[1:] - self.child_offsets[:-1] <= 1
        for level in reversed(range(self.n_levels)):
            here = slice(self.level_offsets[level], self.level_offsets[level + 1])
            alone[here] &= alone[self.child_offsets[:-1][here]]
        return alone

    def paths(self) -> Ints:
        """Nodes from the first level to the leaf of each item: int64 [I, L]."""
        path = np.empty((len(self.leaf_of), self.n_levels), dtype=np.int64)
        node = self.leaf_of
        for level in reversed(range(self.n_levels)):
            path[:, level] = node
            node = self.parent[node]
        return path


@dataclass(frozen=True)
class CodeTable:
    """Semantic IDs of I items: one row of L codes each, unique.

    Attributes:
        codes: int64 [I, L]; column l is in [0, sizes[l]). The last column is the collision digit: 0 unless
            several items share all the others (collision policy "append a digit", TIGER section 3.1).
        sizes: number of codes of each level, L entries.

    Raises:
        ValueError: two items share a row, or a code is out of range.
    """

    codes: Ints
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse codes that could not be decoded."""
        if self.codes.ndim != 2 or self.codes.shape[1] != len(self.sizes):
            raise ValueError(
                f"codes must be [I, L] with L = {len(self.sizes)} sizes, but got {self.codes.shape}: "
                "give one size per level."
            )
        if ((self.codes < 0) | (self.codes >= np.array(self.sizes))).any():
            raise ValueError(f"codes must lie in [0, size) of their level, sizes {self.sizes}: refit.")
        ordered = self.codes[np.lexsort(self.codes.T)]  # np.unique would stop all other threads
        n_same = int((ordered[1:] == ordered[:-1]).all(axis=1).sum())
        if n_same:
            raise ValueError(
                f"{n_same} of {len(self.codes)} items share all their codes: "
                "append a collision digit (tokenizers/collisions.py)."
            )

    def __len__(self) -> int:
        """Number of items I."""
        return len(self.codes)

    @property
    def n_levels(self) -> int:
        """L, the collision digit included."""
        return len(self.sizes)

    @property
    def semantic(self) -> Ints:
        """The codes without the collision digit: int64 [I, L - 1]; rows may be equal."""
        return self.codes[:, :-1]

    @property
    def semantic_sizes(self) -> tuple[int, ...]:
        """Codes of each level without the collision digit, L - 1 entries."""
        return self.sizes[:-1]

    @cached_property
    def generation(self) -> str:
        """Name of this vocabulary: 12 hex digits of the content's SHA-256."""
        content = np.ascontiguousarray(self.codes, dtype="<i8").tobytes()
        return hashlib.sha256(repr(self.sizes).encode() + content).hexdigest()[:12]

    @cached_property
    def trie(self) -> Trie:
        """The prefix tree, built once."""
        return build_trie(self.codes)

    def extend(self, new: NDArray[np.int64], sizes: tuple[int, ...]) -> Self:
        """This table with rows appended; the published rows keep their place and their codes."""
        if any(later < now for later, now in zip(sizes, self.sizes, strict=True)):
            raise ValueError(f"sizes may only grow, but got {sizes} after {self.sizes}.")
        return type(self)(np.concatenate([self.codes, new]), sizes)


def build_trie(codes: Ints) -> Trie:
    """The trie of unique code rows int64 [I, L]."""
    n_items, n_levels = codes.shape
    order = np.lexsort(codes.T[::-1])
    ordered = codes[order]
    level_offsets, parents, node_codes = [0, 1], [np.array([-1])], [np.array([-1])]
    node_of = np.zeros(n_items, dtype=np.int64)  # node of each ordered row at the level above
    for level in range(n_levels):
        code = ordered[:, level]
        fresh = np.ones(n_items, dtype=bool)
        fresh[1:] = (node_of[1:] != node_of[:-1]) | (code[1:] != code[:-1])
        parents.append(node_of[fresh])
        node_codes.append(code[fresh])
        node_of = level_offsets[-1] + np.cumsum(fresh) - 1
        level_offsets.append(level_offsets[-1] + int(fresh.sum()))
    parent = np.concatenate(parents)
    leaf_of = np.empty(n_items, dtype=np.int64)
    leaf_of[order] = node_of
    item_of = np.full(len(parent), -1, dtype=np.int64)
    item_of[leaf_of] = np.arange(n_items)
    child_offsets = 1 + np.searchsorted(parent[1:], np.arange(len(parent) + 1))
    return Trie(np.array(level_offsets), parent, np.concatenate(node_codes), child_offsets, leaf_of, item_of)
