"""Devices: one key of a config places every family that trains."""

from collections.abc import Iterable, Mapping
from typing import Any

from models.device import device_of
from models.families import FAMILIES


def placed(families: Mapping[str, Mapping[str, Any]], device: str) -> dict[str, dict[str, Any]]:
    """The settings of all families, with the device where one trains and names none itself.

    >>> placed({"sasrec": {"d_model": 32}, "repeats": {}, "tiger": {"device": "cpu"}}, "cuda:1")
    {'sasrec': {'device': 'cuda:1', 'd_model': 32}, 'repeats': {}, 'tiger': {'device': 'cpu'}}
    """
    out = {}
    for name, settings in families.items():
        family = FAMILIES.get(str(settings.get("family", name)))
        trains = family is not None and family.trainable
        out[name] = {"device": device, **settings} if trains else dict(settings)
    return out


def require(families: Iterable[Mapping[str, Any]]) -> None:
    """See that torch has the devices that settings of families name, before anything is done.

    Raises:
        ValueError: it has not.
    """
    for name in {str(settings["device"]) for settings in families if "device" in settings}:
        device_of(name)
