"""Device: where weights are trained. What answers runs on the CPU, so a model is judged as it is served.

On another device, such as a GPU, a copy of the network is trained, and the network gets its weights after
each epoch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import nn

CPU = torch.device("cpu")


def device_of(name: str) -> torch.device:
    """The device of this name, once a tensor was put there.

    Args:
        name: as torch writes it: cpu, cuda, cuda:1.

    Raises:
        ValueError: torch sees no such device here.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # so that a GPU's products repeat
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"device must be one that torch sees here, but got {name!r} ({reason}): set device to cpu, or "
            "install the torch of that device."
        ) from error
    return device


def multiplies_bfloat16(device: torch.device = CPU) -> bool:
    """Whether the device has instructions for bfloat16: a GPU, or a CPU of which oneDNN says so."""
    return device != CPU or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def require_bfloat16(device: torch.device) -> None:
    """See that a loss in bfloat16 is worth it there.

    Raises:
        ValueError: the processor has no instructions for it.
    """
    if not multiplies_bfloat16(device):
        raise ValueError(
            "loss_precision must be one that the processor multiplies, but this one has no instructions for "
            "bfloat16 and would take many times as long: set loss_precision to float32."
        )


def learner_on(device: torch.device, module: nn.Module) -> nn.Module:
    """What is trained: the module itself on the CPU, a copy of it on any other device."""
    return module if device == CPU else deepcopy(module).to(device)


def moved(batch: Any, device: torch.device) -> Any:
    """A batch with all its tensors on a device: a tensor, or a tuple or dataclass of these and more."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, tuple):
        return tuple(moved(each, device) for each in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        parts = {each.name: moved(getattr(batch, each.name), device) for each in fields(batch)}
        return replace(batch, **parts)
    return batch


@contextmanager
def working_on(device: torch.device) -> Iterator[None]:
    """Let tensors that a loss makes, such as places and draws, be made on the device.

    The CPU keeps torch's own way, which costs nothing; elsewhere not every operation has a form that repeats
    to the bit, and torch warns of those that have none.
    """
    torch.use_deterministic_algorithms(True, warn_only=device != CPU)
    if device == CPU:
        yield
        return
    with device:
        yield
