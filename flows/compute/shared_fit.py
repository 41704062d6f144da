"""Shared fit: one training, in this process, on several of this machine, or as a job of a Ray cluster."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import environment
from flows.compute.config import ComputeConfig
from flows.compute.ranks import Say, together
from models.families import FAMILIES
from models.fitting import Fitted, Sent, can_share, fit_family, use_threads
from models.learning.data_parallel import Place, joined
from models.recommender import FitData, Watcher

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
TRAINED_ALONE = "event=trained_alone what=%s asked=%s processes=1 why='%s'"


@dataclass(frozen=True, slots=True)
class Fit:
    """One training, as each of its processes is told.

    Attributes:
        family: key of FAMILIES.
        settings: of its config.
        seed: of everything random.
        threads: cores of each process.
        stop_after: epochs without validation; None for all.
    """

    family: str
    settings: dict[str, Any]
    seed: int
    threads: int
    stop_after: int | None

    def here(self, learn: FitData, *, watch: Watcher | None, checkpoint: Path | None) -> Fitted:
        """Train in this process, as one of the group that it may have joined."""
        use_threads(self.threads)
        return fit_family(
            self.family,
            self.settings,
            learn,
            seed=self.seed,
            watch=watch,
            checkpoint=checkpoint,
            stop_after=self.stop_after,
        )


def processes_for(family: str, asked: int) -> int:
    """How many processes will train this family: those asked for, or 1 if it cannot share its batches."""
    if asked == 1 or can_share(family):
        return asked
    if FAMILIES[family].trainable:
        able = ", ".join(name for name in FAMILIES if can_share(name))
        logger.warning(TRAINED_ALONE, family, asked, f"only {able} can be trained by several")
    return 1


def ran_on(compute: ComputeConfig, family: str, processes: int) -> dict[str, Any]:
    """A note for whoever asks why a training took as long as it did."""
    where = "ray" if compute.ray and can_share(family) else "this machine"
    return {"processes": processes, "asked_for": compute.processes, "where": where}


def fit_together(
    fit: Fit, learn: FitData, *, processes: int, watch: Watcher, checkpoint: Path | None
) -> Fitted:
    """Train on `processes` of this machine, each with a share of every batch.

    Args:
        fit: what to train.
        learn: from what.
        processes: how many; 1 trains here.
        watch: called with the epochs.
        checkpoint: file to resume from and to keep.

    Raises:
        RankFailed: a process raised or was killed; the others were ended.
    """
    if processes == 1:
        return fit.here(learn, watch=watch, checkpoint=checkpoint)
    with tempfile.TemporaryDirectory(prefix="encore-ranks-") as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        arguments = {"fit": fit, "learn": learn, "size": processes, "meeting": meeting}
        sent: Sent = together(processes, _rank, watch, checkpoint=checkpoint, **arguments)
    return sent.fitted()


def _rank(
    rank: int, say: Say, *, fit: Fit, learn: FitData, size: int, meeting: str, checkpoint: Path | None
) -> Sent | None:
    """What one process does; rank 0 has the result."""
    environment.talk_at(LOOPBACK)
    with joined(Place(rank, size, meeting)):
        fitted = fit.here(learn, watch=say, checkpoint=checkpoint)
    return Sent.of(fitted) if rank == 0 else None
