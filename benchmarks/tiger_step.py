"""TIGER's training step: ours against Hugging Face's T5 on the same targets; milliseconds per target.

    python -m benchmarks.tiger_step
    python -m benchmarks.tiger_step --rows 8 --repeats 1 --out /dev/null

The papers train T5 on one sample per target: the codes of the prefix, padded, and the codes of the next item
(Rajput et al. 2023, arXiv:2305.05065, section 3.2). Ours (`encoder="causal"`) reads a history once and trains
all its targets. A step is forward, backward and AdamW on the same histories with the same targets. `t5` has
the papers' sizes; `t5-as-ours` has our width of attention and of the position-wise network, so what it costs
more is not size.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import timing
from data.interactions import Interactions
from models.families import FAMILIES
from models.sequence.rows import RowBatch, RowBatches
from models.tokenizers.code_table import CodeTable

N_ITEMS, LEVELS, CODES = 12_101, 4, 256
D_MODEL, BLOCKS, HEADS = 128, 4, 6
MAX_LENGTH = 20  # items, as in the paper
GOAL = {"times_faster": 2.0}
RESULT = timing.RESULTS / "tiger_step.json"


@dataclass(frozen=True, slots=True)
class Samples:
    """One row per target, padded.

    Attributes:
        prefix: int64 [M, S], tokens of the codes read; 0 is padding.
        mask: int64 [M, S].
        label: int64 [M, LEVELS + 1], tokens of the target's codes and an end token.
    """

    prefix: Tensor
    mask: Tensor
    label: Tensor


def histories(n_rows: int) -> Interactions:
    """As short as Beauty's: at least 5 events, 9 in the mean."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(4 + rng.geometric(0.2, n_rows), MAX_LENGTH + 1)
    return Interactions.from_histories([rng.integers(0, N_ITEMS, length).tolist() for length in lengths])


def code_table() -> CodeTable:
    """Unique random codes; the last level tells apart what the others do not."""
    spelled = np.random.default_rng(1).choice(CODES**3, N_ITEMS, replace=False)
    codes = np.stack([spelled // CODES**2, spelled // CODES % CODES, spelled % CODES, 0 * spelled], axis=1)
    return CodeTable(codes, (CODES,) * LEVELS)


def samples(batch: RowBatch, codes: CodeTable) -> Samples:
    """The same targets, each with its own prefix: token of code c at level l is 2 + l * CODES + c."""
    tokens = torch.from_numpy(codes.codes) + 2 + CODES * torch.arange(LEVELS)
    cell = batch.cell[batch.target_query]
    row, length = cell // (batch.rows.item.shape[1] + 1), cell % (batch.rows.item.shape[1] + 1)
    longest = max(1, int(length.max()))
    real = torch.arange(longest) < length[:, None]
    prefix = tokens[batch.rows.item[row, :longest]] * real[:, :, None]
    label = torch.cat([tokens[batch.target_item], torch.ones(len(cell), 1, dtype=torch.int64)], dim=1)
    mask = real.long().repeat_interleave(LEVELS, dim=1)
    mask[:, 0] = 1  # T5 has nothing to attend to in an empty prefix
    return Samples(prefix.flatten(1), mask, label)


def t5(samples: Samples, *, width: int, heads: int, network: int) -> "Step":
    """Hugging Face's T5 with a vocabulary of all codes."""
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=2 + LEVELS * CODES,
            d_model=D_MODEL,
            d_ff=network,
            d_kv=width,
            num_heads=heads,
            num_layers=BLOCKS,
            num_decoder_layers=BLOCKS,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,  # type: ignore[call-arg]
            use_cache=False,
        )
    ).train()

    def loss() -> Tensor:
        answer = model(input_ids=samples.prefix, attention_mask=samples.mask, labels=samples.label)
        out: Tensor = answer.loss
        return out

    return Step(model, loss)


def tiger(batch: RowBatch, codes: CodeTable, encoder: str) -> "Step":
    """Our family `tiger`."""
    if "tiger" not in FAMILIES:
        raise LookupError(
            "The benchmark needs the family 'tiger', but models.families has none: run it on a tree that "
            "contains models/recommenders/tiger.py."
        )
    family = FAMILIES["tiger"]
    sizes = {"d_model": D_MODEL, "n_blocks": BLOCKS, "decoder_blocks": BLOCKS, "n_heads": 4}
    settings: dict[str, Any] = {**sizes, "encoder": encoder, "max_length": MAX_LENGTH, "dropout": 0.1}
    config = family.config(**settings)
    torch.manual_seed(0)
    module = family.recommender.build(config, codes, np.empty((0, 0), dtype=np.float32)).train()
    return Step(module, lambda: module.loss(batch))


class Step:
    """Forward, backward, AdamW."""

    def __init__(self, module: nn.Module, loss: Callable[[], Tensor]) -> None:
        self.module, self.loss = module, loss
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)

    def __call__(self) -> None:
        """Once."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        self.optimizer.step()

    @property
    def n_weights(self) -> int:
        """Of the module."""
        return sum(part.numel() for part in self.module.parameters())


def measure(n_rows: int, repeats: int) -> dict[str, Any]:
    """All steps on one batch of `n_rows` histories."""
    codes, events = code_table(), histories(n_rows)
    batches = RowBatches(events, N_ITEMS, max_length=MAX_LENGTH, batch_rows=n_rows)
    batch = next(iter(batches.epoch(np.random.default_rng(0))))
    padded = samples(batch, codes)
    steps = {
        "tiger-causal": tiger(batch, codes, "causal"),
        "tiger-bidirectional": tiger(batch, codes, "bidirectional"),
        "t5": t5(padded, width=64, heads=HEADS, network=1024),
        "t5-as-ours": t5(padded, width=D_MODEL // 4, heads=4, network=4 * D_MODEL),
    }
    seconds = timing.interleaved(steps, repeats)
    n_targets = len(batch.target_item)
    return {
        "rows": n_rows,
        "targets": n_targets,
        "prefix_tokens": tuple(padded.prefix.shape),
        "ms_per_target": {name: round(1000 * taken / n_targets, 3) for name, taken in seconds.items()},
        "weights": {name: step.n_weights for name, step in steps.items()},
        "times_faster": round(seconds["t5"] / seconds["tiger-causal"], 2),
        "times_faster_at_our_sizes": round(seconds["t5-as-ours"] / seconds["tiger-causal"], 2),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=64, help="histories of a step")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    machine = timing.machine("transformers")
    measured = measure(given.rows, given.repeats)
    print("  ".join(f"{name} {value}" for name, value in measured.items()))
    command = f"python -m benchmarks.tiger_step --rows {given.rows} --threads {given.threads}"
    timing.write({"command": command, "machine": machine, "goal": GOAL, **measured}, given.out)


if __name__ == "__main__":
    main()
