"""Full softmax: ours against PyTorch's cross-entropy over the whole catalogue, forward and backward.

    python -m benchmarks.full_softmax                    # Beauty's shape: 8,192 targets, 12,101 items
    python -m benchmarks.full_softmax --targets 512 --repeats 1 --out /dev/null

All times of a width are taken in turns. `of_square` and `of_shape` are our GFLOP/s (6 M I D / seconds) over
those of a big square product and of the step's three products alone in the block shape that we use, which
is the most that any code on the same library can reach. Where the processor multiplies bfloat16, our loss
with such products is put beside the same float32 square, and `gradient_off` is the largest distance of a
gradient from float32's, as a share of its norm.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks import timing
from models.learning.device import multiplies_bfloat16
from models.objectives import full_softmax as ours

N_ITEMS = 12_101
WIDTHS = (64, 128, 256)
GOALS = {"of_square": 0.8, "of_square_in_bfloat16": 1.0, "error": 1e-5}
RESULT = timing.RESULTS / "full_softmax.json"
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def inputs(n_targets: int, width: int) -> Inputs:
    """Hidden states, table, bias (all with gradients) and targets; logits of a trained model's size."""
    torch.manual_seed(0)
    hidden, table = torch.randn(n_targets, width), torch.randn(N_ITEMS, width) * width**-0.5
    learned = [part.requires_grad_() for part in (hidden, table, torch.randn(N_ITEMS))]
    return learned[0], learned[1], learned[2], torch.randint(N_ITEMS, (n_targets,))


def our_step(
    hidden: Tensor, table: Tensor, bias: Tensor, target: Tensor, precision: torch.dtype | None = None
) -> Sequence[Tensor]:
    """Loss and gradients by our code."""
    query = torch.arange(len(target))
    loss = ours.full_softmax(hidden, table, bias, query, target, precision=precision)
    return [loss.detach(), *torch.autograd.grad(loss, (hidden, table, bias))]


def torch_step(hidden: Tensor, table: Tensor, bias: Tensor, target: Tensor) -> Sequence[Tensor]:
    """Loss and gradients by PyTorch."""
    loss = cross_entropy(hidden @ table.T + bias, target)
    return [loss.detach(), *torch.autograd.grad(loss, (hidden, table, bias))]


def products(hidden: Tensor, table: Tensor) -> Callable[[], object]:
    """The three products of one block and nothing else."""
    block_hidden, table = hidden.detach()[: ours.rows_of_a_block(table)], table.detach()
    block = torch.empty(len(table), len(block_hidden))
    grad_hidden, grad_table = torch.empty_like(block_hidden), torch.zeros_like(table)

    def run() -> None:
        torch.mm(table, block_hidden.T, out=block)
        torch.mm(block.T, table, out=grad_hidden)
        grad_table.addmm_(block, block_hidden)

    return run


def compare(n_targets: int, width: int, repeats: int) -> dict[str, Any]:
    """One width: times, rates, memory and the largest difference of loss and gradients."""
    given = inputs(n_targets, width)
    error = max(float((a - b).abs().max()) for a, b in zip(our_step(*given), torch_step(*given), strict=True))
    square, square_gflop = timing.square_product()
    steps: dict[str, Callable[[], object]] = {
        "ours": lambda: our_step(*given),
        "torch": lambda: torch_step(*given),
        "products": products(*given[:2]),
        "square": square,
    }
    if multiplies_bfloat16():
        steps["bfloat16"] = lambda: our_step(*given, precision=torch.bfloat16)
    seconds = timing.interleaved(steps, repeats)
    gflop, rows = 6 * N_ITEMS * width / 1e9, ours.rows_of_a_block(given[1])
    rates = {name: n_targets * gflop / seconds[name] for name in steps if name not in ("products", "square")}
    rates |= {"products": rows * gflop / seconds["products"], "square": square_gflop / seconds["square"]}
    peaks = {name: _peak(name, n_targets, width) for name in ("ours", "torch")}
    return {
        "width": width,
        "block_rows": rows,
        "seconds": {name: round(seconds[name], 4) for name in ("ours", "torch")},
        "gflop_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "peak_mib": {name: round(peak / timing.MIB, 1) for name, peak in peaks.items()},
        "times_faster": round(seconds["torch"] / seconds["ours"], 2),
        "times_less_memory": round(peaks["torch"] / peaks["ours"], 1),
        "of_square": round(rates["ours"] / rates["square"], 3),
        "of_shape": round(rates["ours"] / rates["products"], 3),
        "error": error,
        **(_in_bfloat16(given, rates) if "bfloat16" in rates else {}),
    }


def _in_bfloat16(given: Inputs, rates: dict[str, float]) -> dict[str, float]:
    """What bfloat16 products gain and lose."""
    wide, rough = our_step(*given)[1:], our_step(*given, precision=torch.bfloat16)[1:]
    off = max(float((a - b).norm() / a.norm()) for a, b in zip(wide, rough, strict=True))
    return {
        "of_square_in_bfloat16": round(rates["bfloat16"] / rates["square"], 3),
        "gradient_off": round(off, 5),
    }


def low_precision(repeats: int) -> dict[str, float]:
    """Rate of a bfloat16 square product over float32's: below 1, an option for it would only cost."""
    float32, gflop = timing.square_product(n=512)
    bfloat16, _ = timing.square_product(torch.bfloat16, n=512)
    seconds = timing.interleaved({"float32": float32, "bfloat16": bfloat16}, min(repeats, 2))
    return {name: round(gflop / taken, 1) for name, taken in seconds.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--targets", type=int, default=8192, help="M, targets of a step")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--peak", nargs=2, metavar=("WHO", "WIDTH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.peak:
        print(json.dumps(_grown(given.peak[0], given.targets, int(given.peak[1]))))
        return
    machine = timing.machine()
    lines = [_told(compare(given.targets, width, given.repeats)) for width in WIDTHS]
    report = {
        "command": f"python -m benchmarks.full_softmax --targets {given.targets} --threads {given.threads}",
        "machine": machine,
        "goals": GOALS,
        "shape": {"targets": given.targets, "items": N_ITEMS},
        "square_gflop_per_second": low_precision(given.repeats),
        "lines": lines,
    }
    timing.write(report, given.out)


def _peak(who: str, n_targets: int, width: int) -> int:
    """Bytes that a step adds to a fresh process that holds its inputs."""
    grown = timing.in_child("benchmarks.full_softmax", "--peak", who, width, "--targets", n_targets)
    return max(1, int(grown["bytes"]))


def _grown(who: str, n_targets: int, width: int) -> dict[str, int]:
    step = {"ours": our_step, "torch": torch_step}[who]
    hidden, table, bias, target = given = inputs(n_targets, width)
    step(hidden[:8], table[:64], bias[:64], target[:8] % 64)  # the libraries' own buffers
    timing.forget_peak()
    before = timing.resident_bytes(peak=False)
    step(*given)
    return {"bytes": timing.resident_bytes(peak=True) - before}


def _told(line: dict[str, Any]) -> dict[str, Any]:
    print("  ".join(f"{name} {value}" for name, value in line.items()), flush=True)
    return line


if __name__ == "__main__":
    main()
