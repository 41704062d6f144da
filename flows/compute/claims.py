"""Claims: a list of jobs that several processes share; who comes first to a job does it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Claims:
    """Who is at which of some numbered jobs, as empty files that all processes see.

    Attributes:
        folder: theirs alone; empty when the work begins.
        size: number of jobs.
    """

    folder: Path
    size: int

    def take(self) -> Iterator[int]:
        """Jobs that nobody has begun, one after the other; asking for the next tells that this is done."""
        for job in range(self.size):
            try:
                self._file(job, "begun").touch(exist_ok=False)
            except FileExistsError:
                continue
            yield job
            self._file(job, "done").touch()

    def left(self) -> list[int]:
        """Jobs that are not done: somebody is still at them, or was killed."""
        return [job for job in range(self.size) if not self._file(job, "done").exists()]

    def _file(self, job: int, state: str) -> Path:
        return self.folder / f"{job}.{state}"
