"""Item graph: a sparse item-item matrix counted on training events; the one builder of all of them.

Dims: E events, I items, P baskets of all users.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from data.interactions import Interactions, Ints
from models.recommender import Arrays, FitData, Floats


@dataclass(frozen=True, slots=True)
class ItemGraph:
    """Weights from item to item: CSR float32 [I, I]; row i holds what follows or goes with i."""

    weights: sp.csr_matrix

    def to_arrays(self) -> Arrays:
        """CSR parts, for a bundle."""
        return {
            "graph_data": self.weights.data.astype(np.float32),
            "graph_indices": self.weights.indices.astype(np.int32),
            "graph_indptr": self.weights.indptr.astype(np.int64),
        }

    def padded(self, n_new: int, own: float = 0.0) -> "ItemGraph":
        """With as many items more, without any weight but that to themselves."""
        new = sp.identity(n_new, dtype=np.float32, format="csr") * np.float32(own)
        grown = sp.block_diag([self.weights, new], format="csr", dtype=np.float32)
        grown.eliminate_zeros()
        return ItemGraph(grown)

    @classmethod
    def from_arrays(cls, state: Arrays) -> "ItemGraph":
        """The inverse of `to_arrays`."""
        parts = (state["graph_data"], state["graph_indices"], state["graph_indptr"])
        n_items = len(state["graph_indptr"]) - 1
        return cls(sp.csr_matrix(parts, shape=(n_items, n_items)))


def count_graph(
    events: Interactions, n_items: int, *, window: int, decay: float, within_basket: bool
) -> ItemGraph:
    """Weighted counts of ordered pairs: `decay ** (d - 1)` for items d baskets apart, d = 1..window.

    Where each event is its own basket this is the usual windowed transition count.

    Args:
        events: training events.
        n_items: I.
        window: how many baskets ahead a pair may lie, at least 1.
        decay: weight of one more basket of distance, in (0, 1].
        within_basket: also count pairs of one basket, with weight 1.
    """
    baskets, owner = _basket_matrix(events, n_items)
    total = sp.csr_matrix((n_items, n_items), dtype=np.float32)
    if within_basket:
        total = total + baskets.T @ baskets
    for distance in range(1, window + 1):
        pairs = owner[:-distance] == owner[distance:]
        earlier, later = baskets[:-distance][pairs], baskets[distance:][pairs]
        total = total + (earlier.T @ later) * np.float32(decay ** (distance - 1))
    loops = sp.diags(total.diagonal())  # an item's own return is counted apart, by those who want it
    without = (total - loops).tocsr().astype(np.float32)
    without.eliminate_zeros()
    return ItemGraph(without)


def graph_of(data: FitData, *, window: int, decay: float, within_basket: bool) -> ItemGraph:
    """`count_graph` on training data, counted once for the trials of a study."""
    how = (window, decay if window > 1 else 1.0, within_basket)
    if how not in data.counted:
        data.counted[how] = count_graph(
            data.events, data.n_items, window=window, decay=decay, within_basket=within_basket
        )
    found: ItemGraph = data.counted[how]
    return found


def degree_normalised(graph: ItemGraph, *, backward_weight: float, power: float) -> ItemGraph:
    """(C + b C^T) divided by a power of both degrees, so that popular items do not win everywhere.

    Args:
        graph: C, counted forwards; the degree of an item is its sum over C + C^T.
        backward_weight: b, what a pair says about the order it did not come in; 1 ignores order.
        power: 0.5 gives the cosine, 0 the counts.
    """
    forward, backward = graph.weights, graph.weights.T
    degree = np.asarray((forward + backward).sum(axis=1)).ravel()
    scale = sp.diags((1 / np.maximum(degree, 1e-12) ** power).astype(np.float32))
    weighted = forward + backward * np.float32(backward_weight)
    return ItemGraph((scale @ weighted @ scale).tocsr().astype(np.float32))


def strongest(graph: ItemGraph, n_neighbours: int) -> ItemGraph:
    """Only the `n_neighbours` entries of each row that are largest in size; ties keep the smaller item id."""
    weights = graph.weights.tocsr()
    weights.sort_indices()
    kept = [
        start + _heaviest(np.abs(weights.data[start:stop]), n_neighbours)
        for start, stop in zip(weights.indptr[:-1], weights.indptr[1:], strict=True)
    ]
    keep = np.concatenate(kept)
    indptr = np.concatenate([[0], np.cumsum([len(part) for part in kept])])
    parts = (weights.data[keep], weights.indices[keep], indptr)
    return ItemGraph(sp.csr_matrix(parts, shape=weights.shape))


def _heaviest(values: Floats, n: int) -> Ints:
    """Places of the `n` largest values, ascending; ties keep the earlier place."""
    if len(values) <= n:
        return np.arange(len(values))
    edge = np.partition(values, len(values) - n)[len(values) - n]
    above = np.flatnonzero(values > edge)
    level = np.flatnonzero(values == edge)[: n - len(above)]
    return np.sort(np.concatenate([above, level]))


def _basket_matrix(events: Interactions, n_items: int) -> tuple[sp.csr_matrix, Ints]:
    """Which items each basket holds (0/1 CSR [P, I]), and the user of each basket (int64 [P])."""
    user, basket = events.user, events.basket
    fresh = np.ones(len(events), dtype=bool)
    fresh[1:] = (user[1:] != user[:-1]) | (basket[1:] != basket[:-1])
    row = np.cumsum(fresh) - 1
    shape = (int(fresh.sum()), n_items)
    matrix = sp.csr_matrix((np.ones(len(row), dtype=np.float32), (row, events.item)), shape=shape)
    matrix.data[:] = 1  # an item twice in a basket counts once
    return matrix, user[fresh]
