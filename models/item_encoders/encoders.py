"""Encoders: the one list of item encoders, and a mix of several.

A new encoder is one line in each union and one case in `encode`. Dims: I items, D vector size.
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.item_encoders.categories import CategoriesConfig, encode_categories
from models.item_encoders.collaborative import CollaborativeConfig, encode_collaborative
from models.item_encoders.minilm import MiniLMConfig, encode_minilm
from models.item_encoders.tfidf import TfidfConfig, encode_tfidf
from models.recommender import Config, Floats

DEFAULT = "tfidf"
Single = Annotated[
    TfidfConfig | MiniLMConfig | CategoriesConfig | CollaborativeConfig, Field(discriminator="kind")
]


def _as_part(value: Any) -> Any:
    """A kind by name, and a weight beside the encoder's own settings."""
    if isinstance(value, str):
        return {"encoder": {"kind": value}}
    if isinstance(value, dict) and "encoder" not in value:
        settings = {name: given for name, given in value.items() if name != "weight"}
        return {"encoder": settings, **({"weight": value["weight"]} if "weight" in value else {})}
    return value


class Part(Config):
    """One encoder of a mix; in TOML its settings stand beside the weight, or its kind stands alone."""

    encoder: Single
    weight: float = Field(default=1.0, gt=0, description="Against the other parts.")


class MixConfig(Config):
    """Several encoders, side by side."""

    kind: Literal["mix"] = "mix"
    parts: tuple[Annotated[Part, BeforeValidator(_as_part)], ...] = Field(
        min_length=1, description='Kinds, as in ["tfidf", "categories"], or tables with kind and weight.'
    )


def _with_kind(value: Any) -> Any:
    return {"kind": DEFAULT, **value} if isinstance(value, dict) else value


EncoderConfig = Annotated[
    Annotated[
        TfidfConfig | MiniLMConfig | CategoriesConfig | CollaborativeConfig | MixConfig,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_with_kind),
]
"""The [encoder] table of a TOML file; without `kind` it is tfidf."""


def encode(
    catalogue: Catalogue, config: EncoderConfig, *, seed: int, events: Interactions | None = None
) -> Floats:
    """Vectors of all items: float32 [I, D], rows of unit length or zero where nothing is known.

    Args:
        catalogue: the items.
        config: which encoder.
        seed: of everything random.
        events: training events in the catalogue's ids; only `collaborative` reads them.

    Raises:
        ValueError: the encoder needs texts, categories or events that are not there.
    """
    match config:
        case TfidfConfig():
            return encode_tfidf(catalogue.texts, config, seed=seed)
        case MiniLMConfig():
            return encode_minilm(catalogue.texts, config, seed=seed)
        case CategoriesConfig():
            return encode_categories(catalogue.frame, config, seed=seed)
        case CollaborativeConfig():
            return encode_collaborative(events, len(catalogue), config, seed=seed)
        case MixConfig():
            parts = [encode(catalogue, part.encoder, seed=seed, events=events) for part in config.parts]
            return side_by_side(parts, [part.weight for part in config.parts])


def side_by_side(parts: list[Floats], weights: list[float]) -> Floats:
    """Parts of unit length times their weight, in one row of unit length where all of them are known.

    The similarity of two such items is the mean of the parts' cosines, weighted by the squares.

    Args:
        parts: float32 [I, D'] each.
        weights: one for each part.
    """
    total = float(np.sqrt(np.square(weights).sum()))
    unit = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9) for part in parts]
    scaled = [part * (weight / total) for part, weight in zip(unit, weights, strict=True)]
    return np.concatenate(scaled, axis=1).astype(np.float32)
