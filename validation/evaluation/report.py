"""Report: what one model scored, user by user, on one window; a single Parquet file on disk.

Per-user values are kept, not only means: a verdict needs the same users side by side. Dims: Q queries.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.split import Protocol
from validation.gates.significance import bootstrap_means, percentile_interval

FORMAT_VERSION = 1
HEAD = "encore.report"
SCALARS = ("family", "model", "coverage", "coverage_k", "fit_seconds", "recommend_seconds")
METRIC, SLICE = "metric:", "slice:"


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One mean with its 95 % interval: percentile bootstrap over the users of the slice."""

    slice: str
    metric: str
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Scores of one model on one window.

    Attributes:
        protocol: how the window was made; only reports of one protocol may be compared.
        family: what kind of model ("popularity", "sasrec"...).
        model: name or digest of the very model.
        user_keys: Q external user ids, in the order of the window's queries.
        metrics: name ("ndcg@10") to float64 [Q].
        coverage: share of the catalogue in the lists of length `coverage_k`.
        coverage_k: that length.
        fit_seconds: wall time of the training; 0.0 where it is not known.
        recommend_seconds: wall time of all Q lists.
        slices: name to bool [Q]; "all" is always there.
    """

    protocol: Protocol
    family: str
    model: str
    user_keys: list[str]
    metrics: dict[str, NDArray[np.float64]]
    coverage: float
    coverage_k: int
    fit_seconds: float
    recommend_seconds: float
    slices: dict[str, NDArray[np.bool_]]

    def __post_init__(self) -> None:
        """Refuse columns that are not one value per user."""
        for name, column in (self.metrics | self.slices).items():
            if column.shape != (len(self.user_keys),):
                raise ValueError(
                    f"a report holds one value per user, but {name!r} has shape {column.shape} for "
                    f"{len(self.user_keys)} users: evaluate again."
                )

    def mean(self, metric: str, where: str = "all") -> float:
        """Mean over the users of a slice; NaN where the slice is empty.

        Raises:
            ValueError: the metric was not measured.
        """
        values = self.values(metric)[self.slices[where]]
        return float(values.mean()) if len(values) else float("nan")

    def values(self, metric: str) -> NDArray[np.float64]:
        """One metric of every user: float64 [Q]."""
        if metric not in self.metrics:
            raise ValueError(
                f"metric must be one of {sorted(self.metrics)}, but got {metric!r}: name one of them."
            )
        return self.metrics[metric]

    def summary(self, *, resamples: int = 2000, seed: int = 0) -> list[SummaryRow]:
        """Means with 95 % intervals, for every slice that holds users and every metric."""
        table = np.column_stack(list(self.metrics.values()))
        rows: list[SummaryRow] = []
        for name, inside in self.slices.items():
            if inside.any():
                rows += _summarise(name, list(self.metrics), table[inside], resamples, seed)
        return rows

    def save(self, path: Path) -> None:
        """Write one Parquet file, a row per user; whatever is not per user is in its metadata."""
        columns: dict[str, object] = {"user_key": self.user_keys}
        columns |= {METRIC + name: values for name, values in self.metrics.items()}
        columns |= {SLICE + name: inside for name, inside in self.slices.items()}
        frame = pd.DataFrame(columns)
        frame.attrs = {HEAD: {name: getattr(self, name) for name in SCALARS}}
        frame.attrs[HEAD] |= {"format_version": FORMAT_VERSION, "protocol": asdict(self.protocol)}
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".draft")
        frame.to_parquet(draft, index=False)
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Report":
        """Read what `save` wrote, to the bit.

        Raises:
            ValueError: not a report, or of another format version.
        """
        frame = pd.read_parquet(path)
        head = dict(frame.attrs.get(HEAD, {}))
        if (version := head.pop("format_version", None)) != FORMAT_VERSION:
            raise ValueError(
                f"{path}: a report of format {FORMAT_VERSION} is needed, but got {version}: evaluate again."
            )
        return cls(
            protocol=Protocol(**head.pop("protocol")),
            user_keys=frame["user_key"].tolist(),
            metrics={n: frame[METRIC + n].to_numpy(np.float64) for n in _named(frame, METRIC)},
            slices={n: frame[SLICE + n].to_numpy(np.bool_) for n in _named(frame, SLICE)},
            **head,
        )


def _named(frame: pd.DataFrame, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in frame.columns if name.startswith(prefix)]


def _summarise(
    where: str, metrics: list[str], table: NDArray[np.float64], resamples: int, seed: int
) -> list[SummaryRow]:
    """Rows of one slice; table is float64 [users of the slice, metrics]."""
    low, high = percentile_interval(bootstrap_means(table, resamples=resamples, seed=seed), alpha=0.05)
    ends = zip(metrics, table.mean(axis=0), low, high, strict=True)
    return [SummaryRow(where, name, float(m), float(a), float(b), len(table)) for name, m, a, b in ends]
