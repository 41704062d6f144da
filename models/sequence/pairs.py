"""Pairs: the items that a query's user had before, as tensors, with the target among them.

Dims: P (query, item) pairs, F features, M (query, target) pairs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.interactions import Ints
from models.sequence.recurrence import Candidates


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a pointer may point at.

    Attributes:
        query, item: int64 [P], ascending queries.
        features: float32 [P, F].
        target: int64 [M], the pair that is the target, -1 where the user never had it.
    """

    query: Tensor
    item: Tensor
    features: Tensor
    target: Tensor


def paired(had: Candidates, query: Ints, item: Ints, n_items: int) -> Pairs:
    """To tensors, finding each target among what was had.

    Args:
        had: items that each query's user had.
        query: int64 [M], of each target.
        item: int64 [M], the targets.
        n_items: I.
    """
    keys, wanted = had.query * n_items + had.item, query * n_items + item
    order = np.argsort(keys)
    place = np.searchsorted(keys, wanted, sorter=order)
    found = order[np.minimum(place, len(keys) - 1)] if len(keys) else np.zeros(len(query), dtype=np.int64)
    match = keys[found] == wanted if len(keys) else np.zeros(len(query), dtype=bool)
    target = np.where(match, found, -1)
    return Pairs(*map(torch.from_numpy, (had.query, had.item, had.features, target)))
