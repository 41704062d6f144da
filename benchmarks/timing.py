"""Timing: what the speed benchmarks share; interleaved repeats, peak memory, the machine's own rates."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.serving_load import processor

RESULTS = Path(__file__).with_name("results")
KIB, MIB = 2**10, 2**20
SQUARE = 2048
STREAM_BYTES = 256 * MIB


def interleaved(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least wall seconds of each call; taken in turns, so that a busy spell of the machine hits all alike."""
    for call in calls.values():
        call()
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def square_product(dtype: torch.dtype = torch.float32, n: int = SQUARE) -> tuple[Callable[[], object], float]:
    """A big square matrix product, and its GFLOP: the rate of the machine's arithmetic."""
    a, out = torch.randn(n, n).to(dtype), torch.empty(n, n, dtype=dtype)
    return (lambda: torch.mm(a, a, out=out)), 2 * n**3 / 1e9


def memory_read() -> tuple[Callable[[], object], float]:
    """A sum over an array far larger than the caches, and its GB: the rate of the machine's memory."""
    array = torch.ones(STREAM_BYTES // 4)
    return array.sum, STREAM_BYTES / 1e9


def in_child(module: str, *arguments: object) -> dict[str, Any]:
    """What `python -m module arguments` prints as JSON: a fresh process, so that its peak is its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def resident_bytes(*, peak: bool) -> int:
    """Memory of this process now, or the most since it began or since `forget_peak` (Linux)."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = Path("/proc/self/status").read_text().splitlines()
    return KIB * int(next(line.split()[1] for line in lines if line.startswith(name)))


def forget_peak() -> None:
    """Let the peak begin anew from what is resident now; imports may have needed more (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def machine(*packages: str) -> dict[str, object]:
    """What the numbers depend on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", *packages)},
    }


def write(report: Mapping[str, object], path: Path) -> None:
    """The report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
