"""Spent: what a training cost in wall and processor seconds, the epochs before a kill included."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from models.recommender import Epoch


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one fit.

    Attributes:
        wall: by the clock; other work on the machine and a pause lengthen it.
        cpu: of the processor, over all threads of the process; on one thread the honest cost.
    """

    wall: float
    cpu: float

    def to_json(self) -> dict[str, float]:
        """As it stands in a result."""
        return {"fit_seconds": round(self.wall, 3), "fit_cpu_seconds": round(self.cpu, 3)}


class Stopwatch:
    """Runs from its making; what earlier processes spent on epochs that are resumed is added."""

    def __init__(self, resumed: Sequence[Epoch] = ()) -> None:
        self._before = Spent(sum(e.seconds for e in resumed), sum(e.cpu_seconds for e in resumed))
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Spent:
        """What was spent until now."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return Spent(self._before.wall + wall, self._before.cpu + cpu)
