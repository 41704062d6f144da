"""Rows: what the pieces of a benchmark add up to, as one JSON-like result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.benchmark.config import Contender
from flows.benchmark.fit import WAYS, reports_of
from flows.benchmark.pieces import Piece
from flows.benchmark.table.ranks import pack

ELSEWHERE = ("protocol", "parameters", "made")
"""What of a fit's result stands once in the table or the row."""
STUDY = ("trials", "seconds", "cpu_seconds", "valid", "best_trial", "values", "fixed", "differs")
"""What a row tells of its study; the last two where it is an earlier result's, see `found.py`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A contender with all that was found of it.

    Attributes:
        contender: who.
        tuned: its study, or that of the family it is an ablation of.
        fits: one a seed, fitted on train.
        refits: one a seed, fitted on train + validation; maybe none.
    """

    contender: Contender
    tuned: Piece
    fits: tuple[Piece, ...]
    refits: tuple[Piece, ...]

    def mean(self, way: str, metric: str) -> float:
        """Mean over the seeds."""
        return float(np.mean([each.result["test"][way][metric] for each in self.fits]))

    def to_json(self) -> dict[str, Any]:
        """Everything about it, numbers of each seed and their means."""
        tuned = self.tuned.result
        out: dict[str, Any] = {
            "name": self.contender.name,
            "family": self.contender.family,
            "ablation_of": self.contender.parent if self.contender.is_ablation else None,
            "settings": self.contender.settings(tuned["params"]),
            "tuning": {key: tuned[key] for key in STUDY if key in tuned}
            | {"on": self.tuned.folder.parent.name},
            "parameters": self.fits[0].result["parameters"],
            **_spent(self.fits),
            "valid": mean_and_sd([each.result["valid"] for each in self.fits]),
            "test": _over_seeds(self.fits),
            "seeds": [_brief(each) for each in self.fits],
            "made": _made(self.fits),
            "ranks": {way: [pack(reports_of(each, way)) for each in self.fits] for way in WAYS},
        }
        if self.refits:
            out["refitted"] = {
                **_spent(self.refits),
                "test": _over_seeds(self.refits),
                "seeds": [_brief(each) for each in self.refits],
                "made": _made(self.refits),
            }
        return out


def mean_and_sd(values: Sequence[float]) -> dict[str, float]:
    """Mean and sample standard deviation; 0 for one value.

    >>> mean_and_sd([1.0, 3.0])
    {'mean': 2.0, 'sd': 1.4142135623730951}
    """
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "sd": sd}


def protocols(rows: Sequence[Row]) -> dict[str, Any]:
    """Protocol of each table and way; all rows share them.

    Raises:
        ValueError: two rows of one table were measured differently.
    """
    found: dict[str, Any] = {}
    for row in rows:
        for table, pieces in {"train": row.fits, "train + validation": row.refits}.items():
            for piece in pieces:
                for way in WAYS:
                    protocol = piece.result["protocol"][way]
                    if found.setdefault(f"fitted on {table}, {way}", protocol) != protocol:
                        raise ValueError(
                            f"rows of one table need one protocol, but {row.contender.name} has "
                            f"{protocol}: delete its pieces and run again."
                        )
    return found


def _over_seeds(pieces: Sequence[Piece]) -> dict[str, dict[str, dict[str, float]]]:
    """Way, metric, then mean and sd."""
    return {
        way: {
            metric: mean_and_sd([piece.result["test"][way][metric] for piece in pieces])
            for metric in pieces[0].result["test"][way]
        }
        for way in WAYS
    }


def _spent(pieces: Sequence[Piece]) -> dict[str, dict[str, float]]:
    """Wall and processor seconds of the fits."""
    names = ("fit_seconds", "fit_cpu_seconds")
    return {name: mean_and_sd([each.result[name] for each in pieces]) for name in names}


def _brief(piece: Piece) -> Mapping[str, Any]:
    return {key: value for key, value in piece.result.items() if key not in ELSEWHERE}


def _made(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """Where the fits come from, each place once."""
    every = [piece.result["made"] for piece in pieces]
    return [each for index, each in enumerate(every) if each not in every[:index]]
