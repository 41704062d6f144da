"""Encore: semantic IDs, content and neighbours beside item ids, a sense of the day, and a second opinion.

An item is its id, its content, its codes and the mean of its neighbours in one sum (`heads/item_views.py`),
read and predicted with the same vectors; the codes are predicted as well, digit by digit (RPG: Hou et al.
2025, arXiv:2506.05781, section 3.2). A state knows the day it stands on. The answer is a mean, arithmetic or
geometric, of the network and item-to-item counts, these weighted by what was popular around that day; the
weights of the mean are found on validation data once the network stands still. That is for items that are
new to the user: whether one goes back to an own item, and to which, a pointer tells (`heads/pointer.py`;
repeat and explore of RepeatNet, Ren et al. 2019, arXiv:1812.02646). An item that nobody has bought is placed
by its content and its codes.
Dims: B histories, I items.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from data.interactions import SECONDS_PER_DAY, Interactions
from models.baselines.neighbours import history_weights
from models.heads.fusion import POOLS, Pooling, Probabilities, softmax, with_returns
from models.item_clock import ItemClock
from models.item_graph import ItemGraph, degree_normalised, graph_of, strongest
from models.learning.coordinate_search import coordinate_search
from models.learning.training import Trained, train
from models.recommender import Arrays, FitData, Floats, Mask, Recommendations, Watcher, top_k
from models.recommenders.encore.network import (
    Committee,
    NetworkConfig,
    committee_like,
    committee_of,
    committee_with_codes,
)
from models.recommenders.passes import in_passes
from models.sequence.pairs import Pairs, paired
from models.sequence.recurrence import Recurrence
from models.sequence.rows import newest_rows
from models.tokenizers.code_table import CodeTable

HISTORY_BASKETS = 50
NEVER = 1e-30  # chance of going back to an item where nobody ever did; it comes last and can be listed
SAMPLED = 256  # users whose pairs tell the pointer how large its features are
Mixed = Literal["count_share", "clock_power", "history_decay", "repeat_weight", "code_score"]
MIXTURE: dict[Mixed, tuple[float, ...]] = {
    "count_share": (0.0, 0.2, 0.3, 0.4, 0.5, 0.6),
    "clock_power": (0.0, 0.2, 0.4, 0.6),
    "history_decay": (0.4, 0.6, 0.8, 0.95),
    "repeat_weight": (0.0, 0.3, 1.0, 3.0, 10.0),
    "code_score": (0.0, 0.3, 1.0, 2.0),
}
"""What is tried for the settings of the mixture once the network is trained."""


class EncoreConfig(NetworkConfig):
    """The network, the counting, and the mean of both."""

    count_window: int = Field(default=10, ge=1, description="Baskets between the two items of a pair.")
    count_decay: float = Field(default=0.85, gt=0, le=1, description="Weight of one more basket between.")
    backward_weight: float = Field(default=0.35, ge=0, le=1, description="Of a pair the other way round.")
    degree_power: float = Field(default=0.2, ge=0, le=1, description="Of the degrees they are divided by.")
    n_neighbours: int = Field(default=200, ge=1, description="Counts kept for each item.")
    clock_days: float = Field(default=180.0, gt=0, description="Width of the popularity around a day.")
    clock_looks_ahead: bool = Field(default=True, description="Whether it sees events after the day.")
    pooling: Pooling = Field(
        default="linear", description="Network and counts as a weighted mean, or as a product of powers."
    )
    count_share: float = Field(default=0.3, ge=0, le=1, description="Of the counts in the mean; found.")
    clock_power: float = Field(default=0.2, ge=0, description="Of the popularity around the day; found.")
    history_decay: float = Field(default=0.6, gt=0, le=1, description="Of one basket further back; found.")
    repeat_weight: float = Field(default=0.0, ge=0, description="Of the user's own items; found.")
    code_score: float = Field(default=0.0, ge=0, description="Of the digits in the network's score; found.")
    finds: tuple[Mixed, ...] = Field(
        default=tuple(MIXTURE), description="What `fit` looks for on validation."
    )

    @model_validator(mode="after")
    def _an_item_has_a_vector_of_its_own(self) -> Self:
        if set(self.views) == {"neighbours"}:
            raise ValueError(
                "an item needs a vector that its neighbours can borrow, but views is neighbours alone: "
                "add id, content or codes."
            )
        return self

    @model_validator(mode="after")
    def _own_items_are_answered_for(self) -> Self:
        if self.explores and not self.pointer:
            raise ValueError(
                "explores leaves own items out of the softmax, so that a pointer must answer for them, but "
                "pointer is false: set pointer to true or explores to false."
            )
        return self

    @model_validator(mode="after")
    def _codes_are_there(self) -> Self:
        if "codes" not in self.views and (self.code_loss or self.code_score):
            raise ValueError(
                f"code_loss and code_score need codes among the views, but got {self.code_loss:g} and "
                f"{self.code_score:g} with views {', '.join(self.views)}: set both to 0 or add codes."
            )
        return self


class Encore:
    """The recommender; scores in float64, so a history gets the same list alone and in any batch."""

    family: ClassVar[str] = "encore"

    def __init__(
        self,
        config: EncoreConfig,
        codes: CodeTable,
        module: Committee,
        graph: ItemGraph,
        clock: ItemClock,
    ) -> None:
        self.config, self.codes, self.graph, self.clock = config, codes, graph, clock
        self.weights = module.eval()
        self.module = deepcopy(module).double().eval().requires_grad_(False)
        self.items = [network.views() for network in self.module.networks]

    @classmethod
    def fit(
        cls,
        config: EncoreConfig,
        data: FitData,
        *,
        seed: int,
        validate: Callable[["Encore"], float] | None = None,
        watch: Watcher | None = None,
        checkpoint: Path | None = None,
        stop_after: int | None = None,
    ) -> tuple["Encore", Trained]:
        """Train the network, then find the mixture; arguments as in `training.train`.

        The config of what comes back holds the mixture that was found; a refit without `validate` takes the
        mixture of the config it is given.
        """
        torch.manual_seed(seed)
        module = committee_of(config, data, _near(config, data))
        batches = config.batches(data.events, data.n_items, with_pairs=bool(module.pointing))
        if module.pointing:
            rng = np.random.default_rng(seed)
            module.standardise(batches.batch(np.sort(rng.permutation(batches.users)[:SAMPLED]), rng))
        graph, clock = _graph(config, data), _clock(config, data)

        def made(mixture: dict[str, float]) -> Encore:
            return Encore(config.model_copy(update=mixture), data.codes, module, graph, clock)

        trained = train(
            module,
            batches,
            config.training(),
            seed=seed,
            validate=None if validate is None else lambda: validate(made({})),
            watch=watch,
            checkpoint=checkpoint,
            stop_after=stop_after,
        )
        if validate is None:
            return made({}), trained
        start: dict[str, float] = {name: getattr(config, name) for name in config.finds}
        grid: dict[str, tuple[float, ...]] = {name: MIXTURE[name] for name in config.finds}
        found = coordinate_search(start, grid, lambda mixture: validate(made(mixture)), rounds=2)
        return made(found), trained

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; scores are log-probabilities of the next item."""

        def answer(some: Interactions, here: Mask | None) -> Recommendations:
            return top_k(self._scores(some).astype(np.float32), k, here)

        return in_passes(histories, k, allowed, answer)

    def _scores(self, histories: Interactions) -> Probabilities:
        """Log-probability of every item: float64 [B, I]."""
        share = self.config.count_share
        rows, day = newest_rows(histories, self.config.max_length), torch.from_numpy(_newest_day(histories))
        had = _had(histories) if self.module.pointing else None
        with torch.inference_mode():
            logits, back = self.module.answers(rows, day, had, self.items, self.config.code_score)
        network = softmax(logits.numpy())
        evidence = self._evidence(histories) if share else 0 * network
        new = POOLS[self.config.pooling]([(1 - share, network), (share, evidence)])
        if had is not None and back is not None:
            return with_returns(new, had.query.numpy(), had.item.numpy(), back.numpy())
        if not self.config.pointer:
            return new
        return with_returns(new, histories.user, histories.item, np.full(len(histories), NEVER))

    def _evidence(self, histories: Interactions) -> Probabilities:
        """What the counts say, weighted by what was popular around each history's newest day."""
        weights = history_weights(
            histories, len(self.codes), decay=self.config.history_decay, n_baskets=HISTORY_BASKETS
        )
        near = np.asarray((weights @ self.graph.weights).todense(), dtype=np.float64)
        if self.config.clock_power:
            near *= self.clock.popularity(_newest_day(histories)) ** self.config.clock_power
        if self.config.repeat_weight:
            near += self.config.repeat_weight * weights.toarray()
        return near

    def with_codes(self, codes: CodeTable, vectors: Floats) -> Self:
        """See `extension.extended`; a new item is placed by its content and its codes, like one never bought.

        Raises:
            ValueError: the views are of the id and the neighbours only, which a new item has not.
        """
        if not {"content", "codes"} & set(self.config.views):
            raise ValueError(
                f"A new item is placed by its content or its codes, but views is {self.config.views}: "
                "retrain with content or codes among the views, or with the new items."
            )
        n_new = len(codes) - len(self.codes)
        graph, clock = self.graph.padded(n_new), self.clock.padded(n_new)
        module = committee_with_codes(self.config, codes, vectors, self.weights)
        return type(self)(self.config, codes, module, graph, clock)

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        weights = {f"weights.{name}": value.numpy() for name, value in self.weights.state_dict().items()}
        sizes = np.array(self.codes.sizes, dtype=np.int64)
        tables = self.graph.to_arrays() | self.clock.to_arrays()
        return {"codes": self.codes.codes, "sizes": sizes, **tables, **weights}

    @classmethod
    def from_state(cls, config: EncoreConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        codes = CodeTable(state["codes"], tuple(int(size) for size in state["sizes"]))
        weights = {
            name.removeprefix("weights."): torch.from_numpy(value)
            for name, value in state.items()
            if name.startswith("weights.")
        }
        if "pointing" not in weights:  # older than the pointer
            config = config.model_copy(update={"pointer": False})
            weights["pointing"] = torch.tensor(False)
        module = committee_like(config, codes, weights)
        return cls(config, codes, module, ItemGraph.from_arrays(state), ItemClock.from_arrays(state))


def _graph(config: EncoreConfig, data: FitData) -> ItemGraph:
    """What the counts answer from."""
    weighted = degree_normalised(
        _counted(config, data), backward_weight=config.backward_weight, power=config.degree_power
    )
    return strongest(weighted, config.n_neighbours)


def _near(config: EncoreConfig, data: FitData) -> ItemGraph:
    """Whose vectors an item adds: those it is bought with, by cosine."""
    cosine = degree_normalised(_counted(config, data), backward_weight=1.0, power=0.5)
    return strongest(cosine, config.averaged_neighbours)


def _counted(config: EncoreConfig, data: FitData) -> ItemGraph:
    return graph_of(data, window=config.count_window, decay=config.count_decay, within_basket=True)


def _clock(config: EncoreConfig, data: FitData) -> ItemClock:
    return ItemClock.count(
        data.events, data.n_items, width_days=config.clock_days, looks_ahead=config.clock_looks_ahead
    )


def _had(histories: Interactions) -> Pairs:
    """What each history holds, for the pointer."""
    users, nothing = np.arange(histories.n_users), np.empty(0, dtype=np.int64)
    had = Recurrence(histories).candidates(users, histories.offsets[1:])
    return paired(had, nothing, nothing, 1)


def _newest_day(histories: Interactions) -> NDArray[np.float64]:
    """Day of each history's newest event, +inf for an empty one: float64 [B]."""
    day = np.full(histories.n_users, np.inf)
    filled = histories.lengths > 0
    day[filled] = histories.time[histories.offsets[1:][filled] - 1] / SECONDS_PER_DAY
    return day
