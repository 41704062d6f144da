"""A parent of ranks that end in different ways: ranking.py FOLDER WHAT; for test_ranks."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from flows.compute.ranks import Say, together


def note(rank: int, say: Say, folder: Path) -> int:
    """Say something and end well."""
    (folder / f"rank-{rank}-{os.getpid()}").touch()
    say(f"hello from {rank}")
    return 10 + rank


def fail(rank: int, say: Say, folder: Path) -> None:
    """Rank 1 raises; the others would wait for ever."""
    (folder / f"rank-{rank}-{os.getpid()}").touch()
    if rank == 1:
        raise ValueError("that is not liked")
    time.sleep(600)


def follow(rank: int, say: Say, folder: Path) -> None:
    """Rank 1 raises, and rank 0 because of it a little later."""
    time.sleep(0.5 * (1 - rank))
    raise ValueError("the cause" if rank == 1 else "the consequence")


def die(rank: int, say: Say, folder: Path) -> None:
    """Rank 1 is killed."""
    (folder / f"rank-{rank}-{os.getpid()}").touch()
    if rank == 1:
        os.kill(os.getpid(), 9)
    time.sleep(600)


def wait(rank: int, say: Say, folder: Path) -> None:
    """Nothing ends by itself."""
    (folder / f"rank-{rank}-{os.getpid()}").touch()
    say("here")
    time.sleep(600)


def heard(said: str) -> None:
    """Print, or have had enough."""
    if said == "here" and sys.argv[3:] == ["enough"]:
        raise KeyError("enough")
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    what = {"note": note, "fail": fail, "follow": follow, "die": die, "wait": wait}[sys.argv[2]]
    sys.stdout.write(f"{together(2, what, heard, folder=Path(sys.argv[1]))}\n")
