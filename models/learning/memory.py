"""Memory: how the C library keeps what is freed.

Left alone, glibc gives threads heaps of their own, each of which keeps what its largest call took, and gives
the end of a heap back after each call of a model, to be zeroed again for the next: a service grew for hours,
and a call of 64 histories took 30 ms instead of 21 (docs/log.md, 2026-11-26).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of mallopt(3)
KEPT = 128 * 2**20  # bytes at the end of the heap that stay the process's own
OUTSIDE = 32 * 2**20  # bytes from which on a block lies outside the heap; the most that glibc takes


def keep_one_heap() -> bool:
    """All threads share one heap from here on, and its freed end is kept.

    Returns:
        False where the C library has no such settings (musl, macOS): nothing is changed there.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is None:
        return False
    wanted = {_ARENA_MAX: 1, _MMAP_THRESHOLD: OUTSIDE, _TRIM_THRESHOLD: KEPT}
    taken = [set_option(option, value) for option, value in wanted.items()]
    return all(taken)
