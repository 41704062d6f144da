"""EASE: how much each item of the history speaks for every other, by one ridge regression in closed form.

Embarrassingly shallow autoencoders (Steck 2019, arXiv:1905.03375, section 3.1): B = 1 - P / diag(P), by
columns, with P = (X^T X + ridge)^-1 and X the 0/1 matrix of users and items. The paper scores a set, x B;
here older baskets weigh less in x. Fitting holds one dense float32 [I, I] (12,000 items 0.6 GB, 20,000 1.6)
and takes about I^3 multiplications. The model keeps each item's strongest weights, so that a bundle holds
I * n_neighbours of them. Dims: U users, I items.
"""

from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from scipy.linalg import lapack

from data.interactions import Interactions
from models.baselines.neighbours import neighbour_scores
from models.item_graph import ItemGraph, strongest
from models.recommender import Arrays, Config, FitData, Floats, Mask, Recommendations, top_k

BLOCK_ROWS = 512


class EASEConfig(Config):
    """Strength of the regression and scoring of a history."""

    ridge: float = Field(default=150.0, gt=0, description="Trust in few users; higher trusts them less.")
    history_decay: float = Field(default=0.7, gt=0, le=1, description="Weight of one basket further back.")
    n_neighbours: int = Field(default=500, ge=1, description="Weights kept for each item, by absolute value.")
    max_items: int = Field(
        default=20_000, ge=1, description="Largest catalogue; memory is 4 bytes times I^2."
    )


class EASE:
    """Linear item-item model of whole histories."""

    family: ClassVar[str] = "ease"
    HISTORY_BASKETS = 50

    def __init__(self, config: EASEConfig, graph: ItemGraph, popularity: Floats) -> None:
        self.config = config
        self.graph = graph
        self.popularity = popularity

    @classmethod
    def fit(cls, config: EASEConfig, data: FitData) -> Self:
        """Solve the regression and keep the strongest weights.

        Raises:
            ValueError: the catalogue has more than `max_items` items, or the ridge is too small for float32.
        """
        if data.n_items > config.max_items:
            gigabytes = 4 * data.n_items**2 / 1e9
            raise ValueError(
                f"EASE takes at most max_items = {config.max_items} items, but got {data.n_items}: drop rare "
                f"items, use item-knn, or raise max_items if the machine has {gigabytes:.1f} GB to spare."
            )
        inverse = _inverse(_gram(data.events, data.n_items), config.ridge)
        counts = np.bincount(data.events.item, minlength=data.n_items).astype(np.float32)
        return cls(config, _weights(inverse, config.n_neighbours), counts / max(1, counts.sum()))

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; popularity fills what no item of the history speaks about."""
        decay = self.config.history_decay
        scores = neighbour_scores(self.graph, histories, decay=decay, n_baskets=self.HISTORY_BASKETS)
        return top_k(scores + 1e-6 * self.popularity, k, allowed)

    def with_uncounted(self, n_new: int) -> Self:
        """See `extension.extended`: nothing speaks for a new item yet."""
        return type(self)(self.config, self.graph.padded(n_new), np.pad(self.popularity, (0, n_new)))

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        return {"popularity": self.popularity, **self.graph.to_arrays()}

    @classmethod
    def from_state(cls, config: EASEConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        return cls(config, ItemGraph.from_arrays(state), state["popularity"])


def _gram(events: Interactions, n_items: int) -> Floats:
    """Users that two items share: float32 [I, I], column-major, the diagonal being each item's users."""
    shape = (events.n_users, n_items)
    had = sp.csr_matrix((np.ones(len(events), dtype=np.float32), events.item, events.offsets), shape=shape)
    had.sum_duplicates()
    had.data[:] = 1
    gram: Floats = (had.T @ had).toarray(order="F")
    return gram


def _inverse(gram: Floats, ridge: float) -> Floats:
    """Lower triangle of (gram + ridge)^-1, in the memory of `gram`; the upper one is left without meaning."""
    np.fill_diagonal(gram, gram.diagonal() + np.float32(ridge))
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise ValueError(
            f"The ridge must make item counts invertible in float32, but got {ridge:g}: raise it."
        )
    inverse: Floats = lapack.spotri(factor, lower=1, overwrite_c=1)[0]
    return inverse


def _weights(inverse: Floats, n_neighbours: int) -> ItemGraph:
    """B without its diagonal, strongest entries of each row; row i is what item i says about the others."""
    n_items = len(inverse)
    parts = []
    for begin in range(0, n_items, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, n_items)
        square = np.tril(inverse[begin:end, begin:end])
        square += np.tril(square, -1).T
        rows = np.concatenate([inverse[begin:end, :begin], square, inverse[end:, begin:end].T], axis=1)
        rows /= -inverse.diagonal()
        rows[np.arange(end - begin), np.arange(begin, end)] = 0
        parts.append(strongest(ItemGraph(sp.csr_matrix(rows)), n_neighbours).weights)
    return ItemGraph(sp.vstack(parts, format="csr"))
