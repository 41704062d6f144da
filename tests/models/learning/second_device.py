"""A second device: torch's place for devices that others make, with the memory and arithmetic of the CPU.

A tensor there is on the device "second" and cannot meet one of the CPU, as on a GPU, but every operation is
done by the CPU's kernel on the memory behind it. So a machine without a GPU finds whatever a training left on
the CPU. Registering it changes torch for the whole process, so it is for processes of its own:

    python -m tests.models.learning.second_device FAMILY...   # JSON: losses, and which weights differ
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C import DispatchKey, DispatchKeySet
from torch.utils import _pytree as tree
from torch.utils import backend_registration

from models.fitting import fit_family
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from tests.models.conftest import world

NAME = "second"
LAID_OUT = DispatchKeySet(DispatchKey.Meta)  # kernels that know of shapes only, which is all a view needs
DECOMPOSED = ("CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")
memory: dict[int, Tensor] = {}
"""The CPU's memory behind each storage of the device, by the storage's address, as one row."""
kept: list[Any] = []
"""Storages, so that no address is given away twice, and what is registered, which ends with its handle."""


def register() -> None:
    """Let torch know the device: every operation there goes through `done`."""
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    everything, each = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    everything.fallback(done, "PrivateUse1")
    for operation in functional_operations():
        name = operation._schema.name.removeprefix("aten::")
        overload = operation._schema.overload_name
        each.impl(f"{name}.{overload}" if overload else name, partial(done, operation), "PrivateUse1")
    each.impl("scaled_dot_product_attention", attention, "AutogradPrivateUse1")
    kept.extend((everything, each))


def functional_operations() -> Iterator[Any]:
    """Operations that torch would write as others which resize what they fill; `done` takes them whole."""
    for full in torch._C._dispatch_get_all_op_names():
        name, _, overload = full.removeprefix("aten::").partition(".")
        group = getattr(torch.ops.aten, name, None) if full.startswith("aten::") else None
        operation = getattr(group, overload or "default", None)
        if operation is None or name in ("detach", "_to_copy"):
            continue
        schema = operation._schema
        fresh = all(each.alias_info is None for each in (*schema.arguments, *schema.returns))
        if fresh and any(torch._C._dispatch_has_kernel_for_dispatch_key(full, key) for key in DECOMPOSED):
            yield operation


def attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor) -> Tensor:
    """By the kernel that torch takes on the CPU; it would take another on a device that it does not know."""
    if attn_mask.dtype == torch.bool:
        attn_mask = query.new_zeros(attn_mask.shape).masked_fill(~attn_mask, -torch.inf)
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    out: Tensor = fused(query, key, value, attn_mask=attn_mask)[0]
    return out


def done(operation: Any, *arguments: Any, **named: Any) -> Any:
    """Do an operation of the device on the memory behind its tensors."""
    if operation._schema.name == "aten::_copy_from":
        source, target = arguments[:2]
        behind(target).copy_(behind(source))
        return target
    owners: dict[int, Tensor] = {}  # tensors there, by the memory behind them
    same: dict[int, Tensor] = {}  # and by the very tensor that stands for them
    places: list[torch.device] = []

    def of_cpu(leaf: Any) -> Any:
        if isinstance(leaf, torch.device):
            places.append(leaf)
            return torch.device("cpu")
        if not isinstance(leaf, Tensor) or (leaf.ndim == 0 and leaf.device.type == "cpu"):
            return leaf
        if leaf.device.type != NAME:
            raise RuntimeError(f"{operation._schema.name}: a tensor of {leaf.device} met one of {NAME}")
        stands = behind(leaf)
        owners[stands.untyped_storage()._cdata] = same[id(stands)] = leaf
        stay.append(stands)
        return stands

    stay: list[Tensor] = []  # alive, so that an id means one tensor
    arguments, named = tree.tree_map(of_cpu, (arguments, named))
    out = operation(*arguments, **named)
    if places and places[0].type != NAME:
        return out

    def of_device(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return same[id(leaf)] if id(leaf) in same else owned(leaf, owners)

    return tree.tree_map(of_device, out)


def behind(tensor: Tensor) -> Tensor:
    """The CPU's tensor that stands for one of the device; one of the CPU stands for itself."""
    if tensor.device.type != NAME:
        return tensor
    row = memory[tensor.untyped_storage()._cdata].view(tensor.dtype)
    return row.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


def owned(stands: Tensor, owners: dict[int, Tensor]) -> Tensor:
    """A tensor of the device for one of the CPU; a view if a tensor of the device owns its memory."""
    storage = stands.untyped_storage()
    if storage._cdata not in owners:
        size = storage.nbytes() // stands.element_size()
        whole = torch._C._acc.create_empty_tensor([size], stands.dtype)
        place = whole.untyped_storage()
        memory[place._cdata] = torch.empty(0, dtype=stands.dtype).set_(storage, 0, (size,))
        kept.append(place)
        owners[storage._cdata] = whole
    layout = list(stands.shape), list(stands.stride()), stands.storage_offset()
    return torch.ops.aten.as_strided.default.redispatch(LAID_OUT, owners[storage._cdata], *layout)


class Killed(Exception):
    """The training is gone."""


def both(family: str) -> dict[str, Any]:
    """A family trained on the CPU, on the device, and on the device with a kill after its first epoch."""
    data = world(ResidualKMeansConfig(n_levels=3, codebook_size=8))
    settings = {"epochs": 3, "d_model": 16, "dropout": 0.3}

    def die(_: Any) -> None:
        raise Killed

    def fit(**more: Any) -> Any:
        return fit_family(family, settings, data, seed=5, validate=lambda _: 0.0, **more)

    here = fit()
    settings["device"] = NAME
    there = fit()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"
        try:
            fit(checkpoint=checkpoint, watch=die)
        except Killed:
            resumed = fit(checkpoint=checkpoint)
    states = [each.recommender.state() for each in (here, there, resumed)]
    return {
        "losses": [[epoch.loss for epoch in each.history] for each in (here, there, resumed)],
        "differ": [
            [name for name, value in states[0].items() if not np.array_equal(value, state[name])]
            for state in states[1:]
        ],
        "storages": len(memory),
    }


def refused() -> str:
    """What is said where tensors of both devices meet."""
    try:
        torch.ones(2, device=NAME)[torch.ones(2, dtype=torch.int64, device=NAME)] @ torch.ones(2)
    except RuntimeError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    register()
    found = {"refused": refused(), **{family: both(family) for family in sys.argv[1:]}}
    sys.stdout.write(json.dumps(found) + "\n")
