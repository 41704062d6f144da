"""Training: the one fit loop; checkpoints, early stopping, the same bits again after a kill.

Knows batches and losses. Does not know recommendation: the batches come from a recipe, the metric from a
callback. Randomness of epoch e comes from (seed, e) alone, so a resumed run repeats an uninterrupted one.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.utils import deterministic

from models.learning.device import device_of, learner_on, moved, working_on
from models.recommender import Config, Epoch, Watcher


class TrainConfig(Config):
    """How weights are found."""

    epochs: int = Field(default=5, ge=1, description="Most epochs; also the length of the schedule.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Peak of the schedule.")
    weight_decay: float = Field(default=1e-2, ge=0, description="AdamW's, on matrices only.")
    warmup_share: float = Field(default=0.05, ge=0, lt=1, description="Share of steps with a rising rate.")
    patience: int = Field(default=2, ge=1, description="Epochs without a better metric before it stops.")
    max_gradient_norm: float = Field(default=1.0, gt=0, description="Longer gradients are cut to it.")
    device: str = Field(default="cpu", description="Where weights are trained, see `device`.")


class Batches(Protocol):
    """The training examples of one epoch."""

    def __len__(self) -> int:
        """Steps per epoch."""
        ...

    def epoch(self, rng: np.random.Generator) -> Iterator[Any]:
        """Batches in a random order, for `module.loss`."""
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    """What the loop found.

    Attributes:
        epochs: number of epochs whose weights were kept.
        metric: validation metric of those weights; NaN without validation.
        history: every epoch that ran.
    """

    epochs: int
    metric: float
    history: tuple[Epoch, ...]


def train(
    module: nn.Module,
    batches: Batches,
    config: TrainConfig,
    *,
    seed: int,
    validate: Callable[[], float] | None = None,
    watch: Watcher | None = None,
    checkpoint: Path | None = None,
    stop_after: int | None = None,
) -> Trained:
    """Fit `module` in place and leave it with its best weights.

    Args:
        module: has `loss(batch) -> Tensor`, a scalar.
        batches: source of examples.
        config: schedule and stopping.
        seed: of shuffling and dropout.
        validate: metric of the current weights, higher is better; without it the last weights are kept.
        watch: called after every epoch; what it raises ends the training.
        checkpoint: file that is rewritten after every epoch and resumed from if it exists.
        stop_after: epochs to run of the schedule's `config.epochs`, as a refit without validation does.

    Raises:
        FloatingPointError: the loss is no longer finite.
        ValueError: torch does not see the config's device.
    """
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a tenth of a step
    device = device_of(config.device)
    learner = learner_on(device, module)
    n_epochs = min(config.epochs, stop_after or config.epochs)
    optimizer = torch.optim.AdamW(_groups(learner, config), lr=config.learning_rate, fused=True)
    state = _State.resume(checkpoint, learner, optimizer)
    for number in range(len(state.history), n_epochs):
        if state.stale(config.patience):
            break
        wall, cpu = time.perf_counter(), time.process_time()
        with working_on(device):
            loss = _one_epoch(learner, batches, optimizer, config, seed, number, device)
        if learner is not module:
            module.eval().load_state_dict(learner.state_dict())
        metric = math.nan if validate is None else validate()
        spent = time.perf_counter() - wall, time.process_time() - cpu
        epoch = Epoch(number, loss, metric, *spent)
        state.add(epoch, module)
        state.write(checkpoint, learner, optimizer)
        if watch is not None:
            watch(epoch)
    module.load_state_dict(state.best)
    module.eval()
    return Trained(state.best_epoch + 1, state.history[state.best_epoch].metric, tuple(state.history))


def history_of(checkpoint: Path) -> tuple[Epoch, ...]:
    """Epochs that a checkpoint holds, which a resumed training does not run again; none without a file."""
    return _epochs(_metadata(checkpoint.read_bytes())) if checkpoint.exists() else ()


def _one_epoch(
    module: nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    seed: int,
    number: int,
    device: torch.device,
) -> float:
    """Mean loss of one pass over the batches."""
    module.train()
    torch.manual_seed(seed * 1_000_003 + number)
    total, steps = 0.0, len(batches)
    for step, batch in enumerate(batches.epoch(np.random.default_rng([seed, number]))):
        rate = config.learning_rate * _schedule(number * steps + step, config.epochs * steps, config)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss: Tensor = module.loss(moved(batch, device))  # type: ignore[operator]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), config.max_gradient_norm)
        optimizer.step()
        total += float(loss.detach())
    if not math.isfinite(total):
        raise FloatingPointError(
            f"The loss must stay finite, but got {total} in epoch {number}: lower the learning rate "
            f"(now {config.learning_rate:g})."
        )
    module.eval()
    return total / max(1, steps)


def _schedule(step: int, n_steps: int, config: TrainConfig) -> float:
    """Linear rise, then a cosine down to a twentieth."""
    warmup = config.warmup_share * n_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1.0, n_steps - warmup)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress))


def _groups(module: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Biases and norms are not decayed."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


class _State:
    """What has to survive a kill: weights, best weights, optimizer, history."""

    def __init__(self) -> None:
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best: dict[str, Tensor] = {}

    def add(self, epoch: Epoch, module: nn.Module) -> None:
        self.history.append(epoch)
        best = self.history[self.best_epoch].metric
        if not self.best or math.isnan(epoch.metric) or epoch.metric > best:
            self.best_epoch = epoch.number
            self.best = {name: value.clone() for name, value in module.state_dict().items()}

    def stale(self, patience: int) -> bool:
        return len(self.history) - 1 - self.best_epoch >= patience

    def write(self, path: Path | None, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Replace the checkpoint in one step, so that a kill leaves the old or the new one."""
        if path is None:
            return
        tensors = {f"now.{k}": v for k, v in module.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for index, slot in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in slot.items()}
        history = "\n".join(f"{e.loss!r} {e.metric!r} {e.seconds!r} {e.cpu_seconds!r}" for e in self.history)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        content = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        draft.write_bytes(save(content, {"history": history, "best_epoch": str(self.best_epoch)}))
        draft.replace(path)

    @classmethod
    def resume(cls, path: Path | None, module: nn.Module, optimizer: torch.optim.Optimizer) -> "_State":
        """Load the checkpoint into `module` and `optimizer`; a fresh state if there is none."""
        state = cls()
        if path is None or not path.exists():
            return state
        content = path.read_bytes()
        tensors, head = load(content), _metadata(content)
        module.load_state_dict(_under("now.", tensors))
        state.best = _under("best.", tensors)
        state.best_epoch = int(head["best_epoch"])
        state.history += _epochs(head)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            index, key = name.split(".", 1)
            slots.setdefault(int(index), {})[key] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": slots, "param_groups": groups})
        return state


def _epochs(head: dict[str, str]) -> tuple[Epoch, ...]:
    lines = (map(float, line.split()) for line in head["history"].splitlines())
    return tuple(Epoch(number, *line) for number, line in enumerate(lines))


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _metadata(content: bytes) -> dict[str, str]:
    """The text part of a safetensors file: 8 bytes of header length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata
