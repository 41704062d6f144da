"""Data parallel: the same fit loop on several processes, each with its share of every batch.

All ranks hold the same weights, draw the same batches and take the same steps. Of a batch each rank works on
its share; the gradients are averaged before the loop clips them, so that a step is the one that a single
process would take, dropout aside. Outside a group `train` is `training.train` itself. Knows processes and
gradients; not who starts them (`flows/compute/ranks.py`, `flows/compute/ray_job.py`).
"""

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from models.learning import training
from models.learning.training import Batches, TrainConfig, Trained
from models.recommender import Epoch, Watcher

PATIENCE = timedelta(minutes=30)
"""How long a rank waits for the others; the longest is a validation by rank 0."""
STREAM = 2**40  # between the dropout seeds of two ranks, far above any epoch's


class RankStopped(RuntimeError):
    """Another rank ended the training; the message holds what it raised."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process stands in its group.

    Attributes:
        rank: in [0, size); rank 0 validates, watches and keeps the checkpoint.
        size: processes.
        meeting: where they find each other: `file:///...` on one machine, `tcp://host:port` of rank 0.
    """

    rank: int
    size: int
    meeting: str


@dataclass(frozen=True, slots=True)
class Share:
    """One rank's part of a batch.

    Attributes:
        batch: for `module.loss`, which is a mean.
        weight: ranks times the part's share of what the whole batch's mean is over; the mean over the ranks
            of weight * loss is then the loss of the whole batch. 0 where there is not enough for every rank.
    """

    batch: Any
    weight: float


class Divisible(Batches, Protocol):
    """Batches that several ranks can share."""

    def shares(self, rng: np.random.Generator, rank: int, size: int) -> Iterator[Share]:
        """The part of `rank` of each batch of `epoch(rng)`; as many as these, whatever the rank."""
        ...


@contextmanager
def joined(place: Place) -> Iterator[None]:
    """Be one of a group while the block runs.

    Raises:
        torch.distributed.DistError: the others did not come, or went away.
    """
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(
        backend, init_method=place.meeting, rank=place.rank, world_size=place.size, timeout=PATIENCE
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def in_group() -> bool:
    """Whether this process is one of several that train together."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def train(
    module: nn.Module,
    batches: Divisible,
    config: TrainConfig,
    *,
    seed: int,
    validate: Callable[[], float] | None = None,
    watch: Watcher | None = None,
    checkpoint: Path | None = None,
    stop_after: int | None = None,
) -> Trained:
    """As `training.train`, by all ranks of the group that this process is in, which is none or one.

    Every rank calls it with the same module, batches, config and seed, and with or without `validate`. What
    `validate` and `watch` of rank 0 say holds for all; only rank 0 reads and writes `checkpoint`.

    Raises:
        RankStopped: rank 0 raised an error of its own while the others waited for it.
        FloatingPointError: the loss of the whole batch is no longer finite; on all ranks.
        ValueError: the config's device is not the CPU, and there are several ranks.
    """
    if not in_group():
        return training.train(
            module,
            batches,
            config,
            seed=seed,
            validate=validate,
            watch=watch,
            checkpoint=checkpoint,
            stop_after=stop_after,
        )
    if config.device != "cpu":
        raise ValueError(
            f"Processes train together on the CPU only, but device is {config.device!r}: set device to "
            "cpu or [compute] processes to 1."
        )
    with tempfile.TemporaryDirectory(prefix="encore-rank-") as scratch:
        return training.train(
            _Together(module),
            _Shares(batches),
            config,
            seed=seed,
            validate=None if validate is None else functools.partial(_said_by_first, validate),
            watch=lambda epoch: _watched(watch, epoch),
            checkpoint=_same_start(checkpoint, Path(scratch)),
            stop_after=stop_after,
        )


class _Together(nn.Module):
    """A module whose loss is that of the whole batch and whose gradients are averaged over the ranks.

    Its parameters and its state are the module's own, so a checkpoint does not tell how many made it.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        # Buckets are laid out anew after the first step unless unused parameters are looked for; a resumed
        # training would then add in another order than one that never stopped.
        self.parallel = DistributedDataParallel(
            _Weighted(module), forward_sync_buffers=False, find_unused_parameters=True
        )

    def loss(self, share: Share) -> Tensor:
        """The whole batch's loss as a value, this rank's part of it as a gradient."""
        own: Tensor = self.parallel(share)
        whole = own.detach().clone()
        distributed.all_reduce(whole)
        return own + (whole / distributed.get_world_size() - own.detach())

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.module.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.module.load_state_dict(*args, **kwargs)


class _Weighted(nn.Module):
    """`loss` as a `forward`, which is what DistributedDataParallel wraps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, share: Share) -> Tensor:
        loss: Tensor = self.module.loss(share.batch)  # type: ignore[operator]
        return loss * share.weight


class _Shares:
    """This rank's shares of the batches of an epoch."""

    def __init__(self, batches: Divisible) -> None:
        self.batches = batches
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, rng: np.random.Generator) -> Iterator[Share]:
        """See `training.Batches`; each rank drops other units, rank 0 as a single process would."""
        torch.manual_seed(torch.initial_seed() + self.rank * STREAM)
        yield from self.batches.shares(rng, self.rank, self.size)


def _said_by_first(act: Callable[[], Any]) -> Any:
    """What `act` gives on rank 0, on all ranks; an error there ends all."""
    said: list[Any] = [None, None]
    if distributed.get_rank() == 0:
        try:
            said[0] = act()
        except BaseException as error:
            said[1] = f"{type(error).__name__}: {error}"
            distributed.broadcast_object_list(said)
            raise
    distributed.broadcast_object_list(said)
    if said[1] is not None:
        raise RankStopped(f"All ranks go on together, but rank 0 stopped with {said[1]}.")
    return said[0]


def _watched(watch: Watcher | None, epoch: Epoch) -> None:
    """Rank 0 tells the watcher."""
    _said_by_first(lambda: None if watch is None else watch(epoch))


def _same_start(checkpoint: Path | None, scratch: Path) -> Path | None:
    """A file that every rank resumes from: rank 0's, or what the others are sent of it, thrown away later."""

    def content() -> bytes | None:
        return checkpoint.read_bytes() if checkpoint is not None and checkpoint.exists() else None

    sent = _said_by_first(content)
    if distributed.get_rank() == 0:
        return checkpoint
    if sent is None:
        return None
    copy = scratch / "checkpoint.safetensors"
    copy.write_bytes(sent)
    return copy
