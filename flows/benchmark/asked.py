"""Asked: what the command line wants of a benchmark."""

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of `encore benchmark`.

    Attributes:
        data: folder of the data sets.
        families: names; empty for all that this version has.
        datasets: names; empty for all.
        seeds: fits of each contender.
        refit: whether also to fit on train + validation.
        cold: share of the items to hold out; 0 for no such experiment.
        ablations: whether to fit each family's ablations, too.
        found: whether to fit with the settings that the result file holds, instead of tuning.
        workers: processes that share the contenders; no number depends on it.
    """

    data: Path
    families: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    seeds: int = 3
    refit: bool = True
    cold: float = 0.0
    ablations: bool = True
    found: bool = False
    workers: int = 1

    def command(self, name: str) -> str:
        """What to type for the same; the folder of the data is not told."""
        words = ["encore", "benchmark", name, "--data", "DIR", "--seeds", str(self.seeds)]
        words += ["--families", ",".join(self.families)] if self.families else []
        words += ["--datasets", ",".join(self.datasets)] if self.datasets else []
        words += ["--cold", f"{self.cold:g}"] if self.cold else []
        words += [] if self.refit else ["--no-refit"]
        words += [] if self.ablations else ["--no-ablations"]
        words += ["--found"] if self.found else []
        words += ["--workers", str(self.workers)] if self.workers > 1 else []
        return shlex.join(words)
