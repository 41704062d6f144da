"""Encoders: the one list of item encoders, and a mix of several.

A new encoder is one line in each union, in `ENCODERS`, and one case in `fit`. Dims: I items, D vector size.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.item_encoders.categories import Categories, CategoriesConfig, fit_categories
from models.item_encoders.collaborative import Collaborative, CollaborativeConfig, encode_collaborative
from models.item_encoders.fitted import ItemEncoder, packed, unpacked
from models.item_encoders.minilm import MiniLM, MiniLMConfig, fit_minilm
from models.item_encoders.tfidf import Tfidf, TfidfConfig, fit_tfidf
from models.recommender import Arrays, Config, Floats

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


def fit(
    catalogue: Catalogue, config: EncoderConfig, *, seed: int, events: Interactions | None = None
) -> tuple[ItemEncoder, Floats]:
    """The encoder, and vectors of all items: float32 [I, D], of unit length, or zero where nothing is known.

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
            return fit_tfidf(catalogue.texts, config, seed=seed)
        case MiniLMConfig():
            return fit_minilm(catalogue.texts, config, seed=seed)
        case CategoriesConfig():
            return fit_categories(catalogue.frame, config, seed=seed)
        case CollaborativeConfig():
            vectors = encode_collaborative(events, len(catalogue), config, seed=seed)
            return Collaborative(config), vectors
        case MixConfig():
            parts = [fit(catalogue, part.encoder, seed=seed, events=events) for part in config.parts]
            weights = [part.weight for part in config.parts]
            mix = Mix(tuple(encoder for encoder, _ in parts), tuple(weights))
            return mix, side_by_side([vectors for _, vectors in parts], weights)


@dataclass(frozen=True, slots=True)
class Mix(ItemEncoder):
    """Fitted encoders, side by side.

    Attributes:
        parts: the encoders.
        weights: one for each.
    """

    kind: ClassVar[str] = "mix"
    parts: tuple[ItemEncoder, ...]
    weights: tuple[float, ...]

    def encode(self, items: Catalogue) -> Floats:
        """See `ItemEncoder.encode`."""
        return side_by_side([part.encode(items) for part in self.parts], list(self.weights))

    def arrays(self) -> Arrays:
        """See `ItemEncoder.arrays`."""
        return packed({str(at): part.arrays() for at, part in enumerate(self.parts)})

    def head(self) -> dict[str, Any]:
        """See `ItemEncoder.head`."""
        return {"parts": [head_of(part) for part in self.parts], "weights": list(self.weights)}

    @classmethod
    def from_state(cls, head: dict[str, Any], arrays: Arrays) -> Self:
        """See `ItemEncoder.from_state`."""
        parts = [rebuilt(part, unpacked(arrays, str(at))) for at, part in enumerate(head["parts"])]
        return cls(tuple(parts), tuple(head["weights"]))


@dataclass(frozen=True, slots=True)
class Mapped(ItemEncoder):
    """An encoder whose vectors are brought into the space of an older one by a linear map.

    Attributes:
        inner: C numbers.
        centre: float64 [C], taken off them.
        weights: float64 [C, D].
        middle: float64 [D], added.
    """

    kind: ClassVar[str] = "mapped"
    inner: ItemEncoder
    centre: NDArray[np.float64]
    weights: NDArray[np.float64]
    middle: NDArray[np.float64]

    def encode(self, items: Catalogue) -> Floats:
        """See `ItemEncoder.encode`."""
        return self.map(self.inner.encode(items))

    def map(self, vectors: Floats) -> Floats:
        """float32 [J, C] -> float32 [J, D]."""
        return np.asarray((vectors - self.centre) @ self.weights + self.middle, dtype=np.float32)

    def arrays(self) -> Arrays:
        """See `ItemEncoder.arrays`."""
        own = {"centre": self.centre, "weights": self.weights, "middle": self.middle}
        return own | packed({"inner": self.inner.arrays()})

    def head(self) -> dict[str, Any]:
        """See `ItemEncoder.head`."""
        return {"inner": head_of(self.inner)}

    @classmethod
    def from_state(cls, head: dict[str, Any], arrays: Arrays) -> Self:
        """See `ItemEncoder.from_state`."""
        inner = rebuilt(head["inner"], unpacked(arrays, "inner"))
        return cls(inner, arrays["centre"], arrays["weights"], arrays["middle"])


ENCODERS: dict[str, type[ItemEncoder]] = {
    kind.kind: kind for kind in (Tfidf, MiniLM, Categories, Collaborative, Mix, Mapped)
}


def head_of(encoder: ItemEncoder) -> dict[str, Any]:
    """What `rebuilt` needs beside the arrays, as plain JSON."""
    return {"kind": encoder.kind, **encoder.head()}


def rebuilt(head: dict[str, Any], arrays: Arrays) -> ItemEncoder:
    """The encoder of which `head_of` and `arrays` were kept."""
    return ENCODERS[head["kind"]].from_state(head, arrays)


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
