"""The champion of this project, or a message that says how to get one."""

from flows.environment import home
from flows.record.promotion import pointed
from flows.record.release import Release


def champion() -> Release:
    """What answers requests now.

    Raises:
        ValueError: nothing was promoted yet.
    """
    release = pointed(home().pointer)
    if release is None:
        raise ValueError("a champion is needed, but nothing was promoted yet: run `encore retrain` first.")
    return release
