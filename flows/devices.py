"""Devices: one key of a config places every family that trains."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field, model_validator

from models.families import FAMILIES
from models.learning.device import device_of, require_bfloat16
from models.recommender import Config


class PlacedConfig(Config):
    """A config that has `families`, settings by name."""

    device: str = Field(
        default="cpu", description="Where families train that name no device of their own, such as cuda."
    )

    @model_validator(mode="before")
    @classmethod
    def _placed(cls, given: dict[str, Any]) -> dict[str, Any]:
        device, families = given.get("device", "cpu"), given.get("families")
        if device == "cpu" or not isinstance(families, dict):
            return given
        return given | {"families": placed(families, device)}


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
    """See that the devices and precisions which families name are there, before anything is done.

    Raises:
        ValueError: one is not.
    """
    for settings in families:
        device = device_of(str(settings.get("device", "cpu")))
        if settings.get("loss_precision") == "bfloat16":
            require_bfloat16(device)
