"""Neighbours: items that follow or accompany what the user had; transitions and sequential item-kNN.

Both score a history the same way and differ in the graph they count. Dims: B histories, I items.
"""

from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from data.interactions import Interactions
from models.item_graph import ItemGraph, degree_normalised, graph_of, strongest
from models.recommender import Arrays, Config, FitData, Floats, Mask, Recommendations, top_k


def history_weights(histories: Interactions, n_items: int, *, decay: float, n_baskets: int) -> sp.csr_matrix:
    """How much each item of a history counts: CSR float32 [B, I].

    Args:
        histories: B rows.
        n_items: I.
        decay: weight of one basket further back.
        n_baskets: how many of the newest baskets count.
    """
    newest = np.zeros(histories.n_users, dtype=np.int64)
    filled = histories.lengths > 0
    newest[filled] = histories.basket[histories.offsets[1:][filled] - 1]
    back = np.repeat(newest, histories.lengths) - histories.basket
    weight = np.where(back < n_baskets, float(decay) ** back, 0.0).astype(np.float32)
    return sp.csr_matrix((weight, histories.item, histories.offsets), shape=(histories.n_users, n_items))


def neighbour_scores(graph: ItemGraph, histories: Interactions, *, decay: float, n_baskets: int) -> Floats:
    """Sum of the graph's rows of the items of a history, as weighted by `history_weights`: float32 [B, I]."""
    n_items = graph.weights.shape[0]
    query = history_weights(histories, n_items, decay=decay, n_baskets=n_baskets)
    return np.asarray((query @ graph.weights).todense(), dtype=np.float32)


class TransitionsConfig(Config):
    """Counting of first-order transitions."""

    n_neighbours: int = Field(default=200, ge=1, description="Likeliest next items kept for each item.")
    repeat_weight: float = Field(default=1.0, ge=0, description="Weight of an item's own return.")


class Transitions:
    """First-order Markov chain from the newest basket to the next one: P(j | i) summed over its items i."""

    family: ClassVar[str] = "transitions"

    def __init__(self, config: TransitionsConfig, graph: ItemGraph, popularity: Floats) -> None:
        self.config = config
        self.graph = graph
        self.popularity = popularity

    @classmethod
    def fit(cls, config: TransitionsConfig, data: FitData) -> Self:
        """Count pairs of consecutive baskets; rows are divided by the item's number of events."""
        counts = np.bincount(data.events.item, minlength=data.n_items).astype(np.float32)
        counted = graph_of(data, window=1, decay=1.0, within_basket=False)
        kept = strongest(counted, config.n_neighbours).weights
        own = _returns(data.events, data.n_items) * np.float32(config.repeat_weight)
        rows = sp.diags(1 / np.maximum(counts, 1)) @ (kept + sp.diags(own))
        return cls(config, ItemGraph(rows.tocsr().astype(np.float32)), counts / counts.sum())

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; popularity fills what no transition reaches."""
        scores = neighbour_scores(self.graph, histories, decay=1.0, n_baskets=1)
        return top_k(scores + 1e-6 * self.popularity, k, allowed)

    def with_uncounted(self, n_new: int) -> Self:
        """See `extension.extended`: nothing leads to a new item yet, and it leads nowhere."""
        return type(self)(self.config, self.graph.padded(n_new), np.pad(self.popularity, (0, n_new)))

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        return {"popularity": self.popularity, **self.graph.to_arrays()}

    @classmethod
    def from_state(cls, config: TransitionsConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        return cls(config, ItemGraph.from_arrays(state), state["popularity"])


class ItemKNNConfig(Config):
    """Counting and scoring of sequential item-kNN."""

    window: int = Field(default=1, ge=1, le=20, description="Baskets between the two items of a pair.")
    count_decay: float = Field(default=0.7, gt=0, le=1, description="Weight of one more basket between.")
    backward_weight: float = Field(
        default=1.0, ge=0, le=1, description="Weight of a pair the other way round; 1 ignores order."
    )
    degree_power: float = Field(
        default=0.5, ge=0, le=1, description="Popularity divided out: 0.5 is the cosine, 0 plain counts."
    )
    history_decay: float = Field(default=0.97, gt=0, le=1, description="Weight of one basket further back.")
    n_neighbours: int = Field(default=200, ge=1, description="Entries kept for each item.")
    repeat_weight: float = Field(default=2.0, ge=0, description="Weight of an own purchase of the item.")


class ItemKNN:
    """Sequential item-kNN: decayed co-occurrence, degree-normalised, summed over the history."""

    family: ClassVar[str] = "item-knn"
    HISTORY_BASKETS = 50

    def __init__(self, config: ItemKNNConfig, graph: ItemGraph, popularity: Floats) -> None:
        self.config = config
        self.graph = graph
        self.popularity = popularity

    @classmethod
    def fit(cls, config: ItemKNNConfig, data: FitData) -> Self:
        """Count, add both directions, normalise and prune; an item's own return gets `repeat_weight`."""
        counted = graph_of(data, window=config.window, decay=config.count_decay, within_basket=True)
        normalised = degree_normalised(
            counted, backward_weight=config.backward_weight, power=config.degree_power
        )
        pruned = strongest(normalised, config.n_neighbours).weights
        own = sp.identity(data.n_items, dtype=np.float32) * np.float32(config.repeat_weight)
        counts = np.bincount(data.events.item, minlength=data.n_items).astype(np.float32)
        return cls(config, ItemGraph((pruned + own).tocsr()), counts / counts.sum())

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; popularity fills what no neighbour reaches."""
        decay = self.config.history_decay
        scores = neighbour_scores(self.graph, histories, decay=decay, n_baskets=self.HISTORY_BASKETS)
        return top_k(scores + 1e-6 * self.popularity, k, allowed)

    def with_uncounted(self, n_new: int) -> Self:
        """See `extension.extended`: a new item speaks for its own return only."""
        own = self.config.repeat_weight
        return type(self)(self.config, self.graph.padded(n_new, own), np.pad(self.popularity, (0, n_new)))

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        return {"popularity": self.popularity, **self.graph.to_arrays()}

    @classmethod
    def from_state(cls, config: ItemKNNConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        return cls(config, ItemGraph.from_arrays(state), state["popularity"])


def _returns(events: Interactions, n_items: int) -> Floats:
    """How often each item is in two consecutive baskets of a user: float32 [I]."""
    pair = events.user * (int(events.basket.max(initial=0)) + 2) * n_items
    keys = np.sort(pair + events.basket * n_items + events.item)  # np.unique hashes: 100 times the time
    here = keys[np.diff(keys, prepend=-1) > 0]
    again = here[np.isin(here + n_items, here, assume_unique=True)]
    return np.bincount(again % n_items, minlength=n_items).astype(np.float32)
