"""Auto-encoder parts: what the tokenizers that are trained by gradient share.

Dims: I items, D vector size, B rows of a batch.
"""

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from data.interactions import Ints
from models.recommender import Arrays, Floats

ROWS_PER_PASS = 8_192

Module = TypeVar("Module", bound=nn.Module)


class VectorBatches:
    """Rows of one or more aligned arrays, all of them once an epoch in random order."""

    def __init__(self, *arrays: Floats, batch_rows: int) -> None:
        """Arrays float32 [I, ...] of the same items; `batch_rows` is B."""
        self.arrays = [torch.from_numpy(array) for array in arrays]
        self.batch_rows = batch_rows

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-len(self.arrays[0]) // self.batch_rows)

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        """See `training.Batches`; a batch has one tensor for each array."""
        for rows in torch.from_numpy(rng.permutation(len(self.arrays[0]))).split(self.batch_rows):
            yield tuple(array[rows] for array in self.arrays)


class Standardise(nn.Module):
    """Centred and divided by one number, so that the mean variance is 1 and distances keep their proportions.

    Scaling each column by itself would make noise as large as what tells items apart.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(()))

    def fit(self, vectors: Floats) -> None:
        """Take mean and scale of float32 [I, D]; equal vectors have scale 1."""
        self.mean.copy_(torch.from_numpy(vectors.astype(np.float64).mean(0)))
        deviation = float(vectors.astype(np.float64).var(0).mean()) ** 0.5
        self.scale.fill_(deviation if deviation > 1e-6 else 1.0)

    def forward(self, vectors: Tensor) -> Tensor:
        """[B, D] -> [B, D]."""
        out: Tensor = (vectors - self.mean) / self.scale
        return out

    def inverse(self, vectors: Tensor) -> Tensor:
        """The inverse of `forward`."""
        return vectors * self.scale + self.mean


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers between `sizes` with ReLU in between, none at the end."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def double_copy(module: Module) -> Module:
    """A frozen copy in float64, whose answers do not depend on the batch."""
    return copy.deepcopy(module).double().eval().requires_grad_(False)


def in_passes(rows: Floats | Ints) -> Iterator[Tensor]:
    """Rows as tensors of bounded size; float64 where they are floats. No row gives one empty part."""
    wide = torch.from_numpy(np.ascontiguousarray(rows))
    yield from (wide.double() if wide.is_floating_point() else wide).split(ROWS_PER_PASS)


def arrays_of(module: nn.Module) -> Arrays:
    """Weights and buffers of a module, for `Tokenizer.state`."""
    return {name: value.numpy() for name, value in module.state_dict().items()}


def load_arrays(module: nn.Module, state: Arrays) -> None:
    """The inverse of `arrays_of`, in place."""
    module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
