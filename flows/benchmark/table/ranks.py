"""Ranks: where each test user's target stood, a few kilobytes a fit, so that it outlives the machine.

Leave-one-out has one target a user, so a rank says all there is. Dims: Q users.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation.evaluation.report import Report

LONGEST = 20
"""Longest list that was scored; a target behind it has rank 0."""
COMPARED = ("recall@10", "ndcg@10")
Ranks = Mapping[str, Sequence[str]]
"""Way ("masked", "unmasked") to one packed text a seed."""


def pack(report: Report) -> str:
    """Rank of each user's target, 1 to 20 or 0, as text.

    Raises:
        ValueError: a user has another number of targets than one.
    """
    reciprocal = report.values(f"mrr@{LONGEST}")
    ranks = np.where(reciprocal > 0, np.rint(1.0 / np.maximum(reciprocal, 1.0 / (LONGEST + 1))), 0.0)
    if not np.allclose(metrics(ranks), _measured(report)):
        raise ValueError("ranks need one target a user, but this report has users with more: do not pack it.")
    return base64.b85encode(zlib.compress(ranks.astype(np.uint8).tobytes(), 9)).decode()


def unpack(text: str) -> NDArray[np.float64]:
    """What was packed: float64 [Q]."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype=np.uint8).astype(np.float64)


def metrics(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each user's recall@10 and ndcg@10: float64 [Q, 2]."""
    hit = (ranks >= 1) & (ranks <= 10)
    return np.column_stack([hit, hit / np.log2(np.maximum(ranks, 1) + 1)])


def over_seeds(packed: Sequence[str]) -> NDArray[np.float64]:
    """Mean over the fits of each user's metrics: float64 [Q, 2]."""
    return np.asarray(np.mean([metrics(unpack(text)) for text in packed], axis=0), dtype=np.float64)


def belong_to(row: Mapping[str, Any], packed: Ranks) -> bool:
    """Whether these ranks give the row's own numbers, fit by fit."""
    return all(
        len(packed.get(way, ())) == len(row["seeds"])
        and all(
            np.allclose(metrics(unpack(text)).mean(axis=0), [fit["test"][way][name] for name in COMPARED])
            for text, fit in zip(packed[way], row["seeds"], strict=True)
        )
        for way in row["test"]
    )


def _measured(report: Report) -> NDArray[np.float64]:
    return np.column_stack([report.values(metric) for metric in COMPARED])
