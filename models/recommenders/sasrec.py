"""SASRec with full softmax: causal attention over item ids, scored against every item.

Self-attentive sequential recommendation (Kang and McAuley 2018, arXiv:1808.09781, section III), trained with
cross-entropy over the whole catalogue instead of one sampled negative, which is what makes it a strong
baseline (Klenitskiy and Vasilev 2023, arXiv:2309.07602). Dims: B rows, T positions, M targets, D model size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from data.interactions import Interactions, Ints
from models.recommender import Arrays, Config, FitData, Mask, Recommendations, Watcher, concatenate, top_k
from models.sequence.mixers.attention import CausalAttention
from models.sequence.trunk import Trunk
from models.training import TrainConfig, Trained, train

ROWS_PER_PASS = 64


class SASRecConfig(Config):
    """Sizes and training of the recipe."""

    d_model: int = Field(default=64, ge=8, description="D.")
    n_blocks: int = Field(default=1, ge=1)
    n_heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_length: int = Field(default=100, ge=2, description="T, newest events the model sees.")
    targets_per_row: int = Field(default=25, ge=1, description="Positions predicted per row and epoch.")
    batch_rows: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
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
    """Rows of items and the positions to predict.

    Attributes:
        item: int64 [B, T], left-aligned, 0 past a row's end.
        cell: int64 [M], row * T + position whose state predicts.
        target: int64 [M].
    """

    item: Tensor
    cell: Tensor
    target: Tensor


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
            lambda: CausalAttention(d, config.n_heads, dropout=config.dropout, distance_bias=False),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        nn.init.normal_(self.item.weight, std=d**-0.5)
        nn.init.normal_(self.position.weight, std=0.1 * d**-0.5)

    def states(self, item: Tensor) -> Tensor:
        """State after each item, and of an empty history at column 0: [B, T] -> [B, T + 1, D]."""
        places = self.position(torch.arange(item.shape[1]))
        x = self.drop(self.item(item) + places)
        begin = self.start.expand(len(item), 1, -1)
        out: Tensor = self.trunk(torch.cat([begin, x], dim=1))
        return out

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over all items."""
        hidden = self.states(batch.item).flatten(0, 1)[batch.cell]
        return functional.cross_entropy(self.scores(hidden), batch.target)

    def scores(self, hidden: Tensor) -> Tensor:
        """[M, D] -> [M, I]."""
        return torch.addmm(self.bias, hidden, self.item.weight.T)


class SASRecBatches:
    """A random window of each user's events, random positions within it."""

    def __init__(self, events: Interactions, config: SASRecConfig) -> None:
        self.events, self.config = events, config
        self.users = np.flatnonzero(events.lengths >= 2)

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-len(self.users) // self.config.batch_rows)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """See `training.Batches`."""
        users = rng.permutation(self.users)
        for begin in range(0, len(users), self.config.batch_rows):
            yield self._batch(users[begin : begin + self.config.batch_rows], rng)

    def _batch(self, users: Ints, rng: np.random.Generator) -> Batch:
        """Windows of at most T inputs, and the event after each input."""
        events, longest = self.events, self.config.max_length
        first, stop = events.offsets[users], events.offsets[users + 1]
        last = rng.integers(np.minimum(first + longest, stop - 1), stop)
        begin = np.maximum(first, last - longest)
        item = _left_aligned(events.item, begin, last)
        width = item.shape[1]
        draw = rng.random(item.shape)
        draw[np.arange(width) >= (last - begin)[:, None]] = np.inf
        column = np.argsort(draw, axis=1, kind="stable")[:, : self.config.targets_per_row]
        row, place = np.nonzero(np.isfinite(np.take_along_axis(draw, column, axis=1)))
        column = column[row, place]
        target = events.item[begin[row] + column + 1]
        cell = row * (width + 1) + column + 1
        return Batch(torch.from_numpy(item), torch.from_numpy(cell), torch.from_numpy(target))


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
        """Train to predict each next event; arguments as in `training.train`."""
        torch.manual_seed(seed)
        module = SASRecModule(config, data.n_items)
        trained = train(
            module,
            SASRecBatches(data.events, config),
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
            states = self.module.states(torch.from_numpy(item))
            hidden = states[torch.arange(len(item)), torch.from_numpy(histories.lengths)]
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
