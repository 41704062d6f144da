"""A parent with a helper that never ends by itself: helping.py FOLDER; for the test that kills it."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from flows.compute.helpers import helped


def wait_for_ever(folder: Path) -> None:
    """Say who it is, then do nothing."""
    (folder / f"helper-{os.getpid()}").touch()
    time.sleep(600)


def note(folder: Path) -> None:
    """Say that it was here."""
    (folder / f"noted-{os.getpid()}").touch()


def fail(folder: Path) -> None:
    """End with an error."""
    raise ValueError(f"{folder} is not liked")


def die(folder: Path) -> None:
    """End as one that somebody killed."""
    os.kill(os.getpid(), 9)


if __name__ == "__main__":
    what = {"for-ever": wait_for_ever, "note": note, "fail": fail, "die": die}[sys.argv[2]]
    with helped(2, what, folder=Path(sys.argv[1])):
        pass
