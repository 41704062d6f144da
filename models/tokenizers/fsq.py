"""Finite scalar quantisation: slots of a vector, a few rounded numbers each; no codebook that could die.

FSQ (Mentzer et al. 2023, arXiv:2309.15505, section 3.1) as the tokenizer of RecGPT (2506.06270, section 3.1):
the vector is cut into slots, each slot is projected to a few numbers, these are rounded to a grid, and a
decoder rebuilds the vector from all slots. Departures from RecGPT, whose vectors are a sentence encoder's: a
random rotation before the cut, so that slots of SVD components carry alike; a projection of its own for each
slot; an MLP decoder instead of a transformer; squared instead of absolute error.
Dims: I items, D vector size, L slots of W = D / L numbers, G rounded numbers of a slot, K = prod(grid).
"""

import math
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from data.interactions import Ints
from models.learning.training import TrainConfig, train
from models.recommender import Arrays, Config, Floats
from models.tokenizers.autoencoder import (
    Standardise,
    VectorBatches,
    arrays_of,
    double_copy,
    in_passes,
    load_arrays,
    mlp,
)
from models.tokenizers.product import random_rotation
from models.tokenizers.tokenizer import Tokenizer, checked

MARGIN = 1e-3


class FSQConfig(Config):
    """Shape of the semantic IDs, and training of the auto-encoder."""

    kind: Literal["fsq"] = "fsq"
    n_levels: int = Field(default=4, ge=1, le=64, description="L, slots before the collision digit.")
    grid: tuple[int, ...] = Field(
        default=(8, 8, 8, 6, 5),
        min_length=1,
        description="Values of each rounded number; their product is K.",
    )
    hidden: int = Field(default=256, ge=1, description="Width of the decoder.")
    batch_rows: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    epochs: int = Field(default=40, ge=1)


class Grid(nn.Module):
    """Rounding to a grid of G numbers, and the id of a grid point.

    The id is a mixed-radix number, its first digit the least significant. An even number of values is put
    half a step off the middle, so that all of them can be reached.
    """

    reach: Tensor
    offset: Tensor
    shift: Tensor
    middle: Tensor
    basis: Tensor
    values: Tensor

    def __init__(self, grid: tuple[int, ...]) -> None:
        super().__init__()
        sizes = torch.tensor(grid)
        reach = (sizes - 1) * (1 - MARGIN) / 2
        offset = torch.where(sizes % 2 == 0, 0.5, 0.0)
        self.register_buffer("reach", reach, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        self.register_buffer("shift", torch.tan(offset / reach), persistent=False)
        self.register_buffer("middle", sizes // 2, persistent=False)
        self.register_buffer("values", sizes, persistent=False)
        basis = torch.cumprod(torch.tensor([1, *grid[:-1]]), 0)
        self.register_buffer("basis", basis, persistent=False)

    def round(self, z: Tensor) -> Tensor:
        """Free numbers [..., G] -> grid points in [-1, 1]; the gradient passes as if nothing was rounded."""
        bounded = torch.tanh(z + self.shift) * self.reach - self.offset
        rounded = bounded + (bounded.round() - bounded).detach()
        return rounded / self.middle

    def ids(self, points: Tensor) -> Tensor:
        """Grid points [..., G] -> int64 [...] in [0, K)."""
        digits = (points * self.middle).round().long() + self.middle
        return (digits * self.basis).sum(-1)

    def points(self, ids: Tensor) -> Tensor:
        """The inverse of `ids`."""
        digits = ids[..., None] // self.basis % self.values
        return (digits - self.middle).to(self.reach.dtype) / self.middle


class FSQModule(nn.Module):
    """Rotate, cut, project, round; decode from all slots."""

    rotation: Tensor

    def __init__(self, config: FSQConfig, size: int) -> None:
        super().__init__()
        n_slots, n_numbers = config.n_levels, len(config.grid)
        width = -(-size // n_slots)
        self.standardise = Standardise(size)
        self.grid = Grid(config.grid)
        self.register_buffer("rotation", torch.zeros(n_slots * width, size))
        self.inward = nn.Parameter(torch.randn(n_slots, width, n_numbers) * width**-0.5)
        self.outward = nn.Linear(n_slots * n_numbers, size)
        self.decoder = mlp([n_slots * n_numbers, config.hidden, size])

    def points(self, vectors: Tensor) -> Tensor:
        """Grid points of [B, D]: [B, L, G]."""
        turned = self.standardise(vectors) @ self.rotation.T
        slots = turned.unflatten(1, (len(self.inward), -1))
        return self.grid.round(torch.einsum("blw,lwg->blg", slots, self.inward))

    def rebuild(self, points: Tensor) -> Tensor:
        """Standardised vectors of grid points: [B, L, G] -> [B, D]."""
        flat = points.flatten(1)
        out: Tensor = self.outward(flat) + self.decoder(flat)
        return out

    def loss(self, batch: tuple[Tensor]) -> Tensor:
        """Mean squared error of the standardised vectors."""
        (vectors,) = batch
        return functional.mse_loss(self.rebuild(self.points(vectors)), self.standardise(vectors))


class FSQ(Tokenizer):
    """A fitted tokenizer; encodes in float64."""

    kind: ClassVar[str] = "fsq"

    def __init__(self, config: FSQConfig, module: FSQModule) -> None:
        self.config: FSQConfig = config
        self.weights = module.eval()
        self.module = double_copy(module)

    @classmethod
    def fit(cls, vectors: Floats, config: FSQConfig, *, seed: int, teacher: Floats | None = None) -> Self:
        """See `Tokenizer.fit`."""
        rows = checked(vectors)
        torch.manual_seed(seed)
        module = FSQModule(config, rows.shape[1])
        module.standardise.fit(rows)
        module.rotation.copy_(torch.from_numpy(random_rotation(rows.shape[1], config.n_levels, seed)))
        how = TrainConfig(epochs=config.epochs, learning_rate=config.learning_rate, weight_decay=0.0)
        train(module, VectorBatches(rows, batch_rows=config.batch_rows), how, seed=seed)
        return cls(config, module)

    @property
    def sizes(self) -> tuple[int, ...]:
        """See `Tokenizer.sizes`."""
        return (math.prod(self.config.grid),) * self.config.n_levels

    def encode(self, vectors: Floats) -> Ints:
        """See `Tokenizer.encode`."""
        rows = checked(vectors, size=self.module.rotation.shape[1])
        with torch.inference_mode():
            parts = [self.module.grid.ids(self.module.points(part)).numpy() for part in in_passes(rows)]
        return np.concatenate(parts)

    def decode(self, codes: Ints) -> Floats:
        """See `Tokenizer.decode`."""
        with torch.inference_mode():
            points = (self.module.grid.points(part) for part in in_passes(codes))
            parts = [self.module.standardise.inverse(self.module.rebuild(part)).float() for part in points]
        return torch.cat(parts).numpy()

    def state(self) -> Arrays:
        """See `Tokenizer.state`."""
        return arrays_of(self.weights)

    @classmethod
    def from_state(cls, config: FSQConfig, state: Arrays) -> Self:
        """See `Tokenizer.from_state`."""
        module = FSQModule(config, state["rotation"].shape[1])
        load_arrays(module, state)
        return cls(config, module)
