"""A worker on a study of eight trials that others work on too: sharing.py FOLDER SECONDS [URL]."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from flows.tuning import Attempt, Score, storage, tune
from flows.tuning_config import TuningConfig
from models.space import Float


def work(folder: Path, seconds: float, url: str | None) -> None:
    """Each trial takes a while and leaves a note of who began and who ended it."""

    def slow(attempt: Attempt) -> Score:
        (folder / f"began-{attempt.index}-{os.getpid()}").touch()
        time.sleep(seconds)
        (folder / f"ended-{attempt.index}-{os.getpid()}").touch()
        return Score(1 - (attempt.params["x"] - 0.3) ** 2)

    tuned = tune(
        "shared",
        {"x": Float(0.0, 1.0)},
        slow,
        defaults={"x": 0.5},
        config=TuningConfig(trials=8, startup_trials=3, warmup_epochs=0),
        storage=storage(url, folder / "s.journal", mend=False),
        seed=7,
        lock=folder / "lock",
        shared=True,
    )
    assert len(tuned.values) == 8


if __name__ == "__main__":
    work(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] or None)
