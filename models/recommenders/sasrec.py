"""SASRec with full softmax: causal attention over item ids, scored against every item.

Self-attentive sequential recommendation (Kang and McAuley 2018, arXiv:1808.09781, section III), trained with
cross-entropy over the whole catalogue instead of one sampled negative, which is what makes it a strong
baseline (Klenitskiy and Vasilev 2023, arXiv:2309.07602). Where events come in baskets, the state after one
predicts every item of the next; without baskets each event is one, and this is the paper's model.
Dims: B rows, T positions, Q queries, M (query, target) pairs, D model size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from data.interactions import Interactions, Ints
from models.recommender import Arrays, Config, FitData, Mask, Recommendations, Watcher, concatenate, top_k
from models.sequence.baskets import basket_starts, draw_baskets, items_of
from models.sequence.mixers.attention import CausalAttention
from models.sequence.trunk import Trunk
from models.training import TrainConfig, Trained, train

ROWS_PER_PASS = 64


class SASRecConfig(Config):
    """Sizes and training of the recipe."""

    d_model: int = Field(default=64, ge=8, description="D.")
    n_blocks: int = Field(default=1, ge=1)
    n_heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    max_length: int = Field(default=200, ge=2, description="T, newest events the model sees.")
    queries_per_row: int = Field(default=10, ge=1, description="Baskets predicted per row and epoch.")
    batch_rows: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    epochs: int = Field(default=8, ge=1)
    patience: int = Field(default=2, ge=1)

    def training(self) -> TrainConfig:
        """Settings of the fit loop."""
        return TrainConfig(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of items and the baskets to predict.

    Attributes:
        item: int64 [B, T], left-aligned, 0 past a row's end.
        cell: int64 [Q], row * (T + 1) + position whose state predicts.
        target_query: int64 [M], in [0, Q), ascending.
        target_item: int64 [M].
    """

    item: Tensor
    cell: Tensor
    target_query: Tensor
    target_item: Tensor


class SASRecModule(nn.Module):
    """Item embedding, learned positions, causal attention; the item embedding also scores."""

    def __init__(self, config: SASRecConfig, n_items: int) -> None:
        super().__init__()
        d = config.d_model
        self.item = nn.Embedding(n_items, d)
        self.position = nn.Embedding(config.max_length, d)
        self.start = nn.Parameter(torch.zeros(d))
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.drop = nn.Dropout(config.dropout)
        self.trunk = Trunk(
            lambda: CausalAttention(d, config.n_heads, distance_bias=False),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        nn.init.normal_(self.item.weight, std=d**-0.5)
        nn.init.normal_(self.position.weight, std=0.1 * d**-0.5)

    def states(self, item: Tensor) -> Tensor:
        """State after each item, and of an empty history at column 0: [B, T] -> [B, T + 1, D]."""
        out: Tensor = self.trunk(self._inputs(item))
        return out

    def newest_state(self, item: Tensor, length: Tensor) -> Tensor:
        """State after the last item of each row: int64 [B, T], int64 [B] -> [B, D]."""
        out: Tensor = self.trunk.at(self._inputs(item), length)
        return out

    def _inputs(self, item: Tensor) -> Tensor:
        x = self.drop(self.item(item) + self.position(torch.arange(item.shape[1])))
        return torch.cat([self.start.expand(len(item), 1, -1), x], dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over all items, the mean over targets."""
        hidden = self.states(batch.item).flatten(0, 1)[batch.cell]
        scores = self.scores(hidden)
        found = scores[batch.target_query, batch.target_item] - scores.logsumexp(1)[batch.target_query]
        return -found.mean()

    def scores(self, hidden: Tensor) -> Tensor:
        """[M, D] -> [M, I]."""
        return torch.addmm(self.bias, hidden, self.item.weight.T)


class SASRecBatches:
    """A random window of each user's events that ends with a basket, and random baskets within it."""

    def __init__(self, events: Interactions, config: SASRecConfig, n_items: int) -> None:
        self.events, self.config, self.n_items = events, config, n_items
        self.starts, self.first_basket = basket_starts(events)
        self.users = np.flatnonzero(np.diff(self.first_basket) >= 2)

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-len(self.users) // self.config.batch_rows)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """See `training.Batches`."""
        users = rng.permutation(self.users)
        for begin in range(0, len(users), self.config.batch_rows):
            yield self._batch(users[begin : begin + self.config.batch_rows], rng)

    def _batch(self, users: Ints, rng: np.random.Generator) -> Batch:
        """The newest T events before basket `last`, which is the newest one to predict."""
        longest = self.config.max_length
        oldest, stop = self.events.offsets[users], self.first_basket[users + 1]
        full = np.searchsorted(self.starts, oldest + longest)
        last = rng.integers(np.minimum(full, stop - 1), stop)
        end = self.starts[last]
        begin = np.maximum(oldest, end - longest)
        item = _left_aligned(self.events.item, begin, end)
        before = np.searchsorted(self.starts, begin, side="right") - 1
        row, basket = draw_baskets(before, last, self.config.queries_per_row, rng)
        cell = row * (item.shape[1] + 1) + self.starts[basket] - begin[row]
        query, target = items_of(self.events, self.starts, basket, self.n_items)
        return Batch(*map(torch.from_numpy, (item, cell, query, target)))


def _left_aligned(flat: Ints, begin: Ints, end: Ints) -> Ints:
    """flat[begin:end] of each row, padded with zeros on the right: int64 [B, T]."""
    lengths = end - begin
    place = np.arange(int(lengths.max(initial=0)))
    inside = place < lengths[:, None]
    out = np.zeros(inside.shape, dtype=np.int64)
    out[inside] = flat[(begin[:, None] + place)[inside]]
    return out


class SASRec:
    """The recommender; scores in float64, so a history gets the same list alone and in any batch."""

    family: ClassVar[str] = "sasrec"

    def __init__(self, config: SASRecConfig, module: SASRecModule) -> None:
        self.config = config
        self.weights = module.eval()
        self.module = SASRecModule(config, module.item.num_embeddings)
        self.module.load_state_dict(module.state_dict())
        self.module.double().eval().requires_grad_(False)

    @classmethod
    def fit(
        cls,
        config: SASRecConfig,
        data: FitData,
        *,
        seed: int,
        validate: Callable[["SASRec"], float] | None = None,
        watch: Watcher | None = None,
        checkpoint: Path | None = None,
        stop_after: int | None = None,
    ) -> tuple[Self, Trained]:
        """Train to predict each next basket; arguments as in `training.train`."""
        torch.manual_seed(seed)
        module = SASRecModule(config, data.n_items)
        counts = np.bincount(data.events.item, minlength=data.n_items) + 0.5
        with torch.no_grad():
            module.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))  # the start is popularity
        trained = train(
            module,
            SASRecBatches(data.events, config, data.n_items),
            config.training(),
            seed=seed,
            validate=None if validate is None else lambda: validate(cls(config, module)),
            watch=watch,
            checkpoint=checkpoint,
            stop_after=stop_after,
        )
        return cls(config, module), trained

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; scores are logits."""
        newest = histories.last(self.config.max_length)
        parts = []
        for begin in range(0, newest.n_users, ROWS_PER_PASS):
            rows = np.arange(begin, min(begin + ROWS_PER_PASS, newest.n_users))
            here = allowed if allowed is None or allowed.ndim == 1 else allowed[rows]
            parts.append(top_k(self._scores(newest.select(rows)), k, here))
        return concatenate(parts, k)

    def _scores(self, histories: Interactions) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """float32 [B, I]."""
        item = _left_aligned(histories.item, histories.offsets[:-1], histories.offsets[1:])
        with torch.inference_mode():
            hidden = self.module.newest_state(torch.from_numpy(item), torch.from_numpy(histories.lengths))
            return self.module.scores(hidden).float().numpy()

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        return {name: value.numpy() for name, value in self.weights.state_dict().items()}

    @classmethod
    def from_state(cls, config: SASRecConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        module = SASRecModule(config, len(state["bias"]))
        module.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        return cls(config, module)
