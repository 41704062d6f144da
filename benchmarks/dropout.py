"""Dropout: ours against torch's, alone and in a training step; the floor is one multiplication.

    python -m benchmarks.dropout --threads 1
    python -m benchmarks.dropout --numbers 1000 --rows 8 --repeats 1 --out /dev/null

Alone: forward and backward of one layer, nanoseconds a number. `given` multiplies by factors that are already
there. In a step: forward, backward and AdamW of TIGER over the histories of `tiger_step`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import timing
from benchmarks.tiger_step import MAX_LENGTH, N_ITEMS, Step, code_table, histories, tiger
from models.sequence.dropout import Dropout, kept
from models.sequence.rows import RowBatches

P = 0.2
RESULT = timing.RESULTS / "dropout.json"


def layer(call: Callable[[Tensor], Tensor], n: int) -> Callable[[], object]:
    """Forward and backward over `n` numbers."""
    x, grad = torch.randn(n, requires_grad=True), torch.ones(n)

    def both() -> None:
        x.grad = None
        call(x).backward(grad)

    return both


def with_torchs_own(step: Step) -> Step:
    """The same step with torch's dropout in every place of ours."""
    for module in list(step.module.modules()):
        for name, child in module.named_children():
            if isinstance(child, Dropout):
                setattr(module, name, nn.Dropout(child.p))
    return step


def measure(numbers: int, rows: int, repeats: int) -> dict[str, Any]:
    """Both comparisons."""
    factor = kept(torch.empty(numbers), P)
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        "ours": Dropout(P),
        "torch": nn.Dropout(P),
        "given": lambda x: x * factor,
    }
    alone = timing.interleaved({name: layer(call, numbers) for name, call in calls.items()}, repeats)
    batches = RowBatches(histories(rows), N_ITEMS, max_length=MAX_LENGTH, batch_rows=rows)
    batch, codes = next(iter(batches.epoch(np.random.default_rng(0)))), code_table()
    ours, theirs = (tiger(batch, codes, "causal") for _ in range(2))
    step = timing.interleaved({"ours": ours, "torch": with_torchs_own(theirs)}, repeats)
    return {
        "numbers": numbers,
        "rows": rows,
        "ns_a_number": {name: round(1e9 * taken / numbers, 2) for name, taken in alone.items()},
        "step_ms": {name: round(1000 * taken, 1) for name, taken in step.items()},
        "times_faster_alone": round(alone["torch"] / alone["ours"], 2),
        "times_faster_in_a_step": round(step["torch"] / step["ours"], 2),
        "times_the_floor": round(alone["ours"] / alone["given"], 2),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--numbers", type=int, default=64 * 50 * 512, help="of the layer alone")
    parser.add_argument("--rows", type=int, default=64, help="histories of a step")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    machine = timing.machine()
    measured = measure(given.numbers, given.rows, given.repeats)
    print("  ".join(f"{name} {value}" for name, value in measured.items()))
    command = f"python -m benchmarks.dropout --threads {given.threads}"
    timing.write({"command": command, "machine": machine, **measured}, given.out)


if __name__ == "__main__":
    main()
