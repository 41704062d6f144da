"""Fitting: the three things the flow asks of this layer: encode items, fit a tokenizer, fit a family."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from data.catalogue import Catalogue
from models.families import FAMILIES
from models.item_encoders.minilm import encode_minilm
from models.item_encoders.tfidf import TfidfConfig, encode_tfidf
from models.recommender import Config, Epoch, FitData, Floats, Recommender, Watcher
from models.tokenizers.residual_kmeans import ResidualKMeans, TokenizerConfig


class EncoderConfig(Config):
    """Which item encoder."""

    kind: Literal["tfidf", "minilm"] = Field(default="tfidf", description="minilm needs the extra `models`.")
    size: int = Field(default=64, ge=2, description="Components of tfidf.")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A recommender and how it came about.

    Attributes:
        recommender: ready to answer.
        epochs: epochs whose weights were kept; 0 for a family that counts.
        history: every epoch that ran.
    """

    recommender: Recommender
    epochs: int
    history: tuple[Epoch, ...]


def use_threads(n: int) -> None:
    """Let each matrix product use `n` cores; the same number gives the same bits."""
    torch.set_num_threads(n)


def encode_items(catalogue: Catalogue, config: EncoderConfig, *, seed: int) -> Floats:
    """Content vectors: float32 [I, D]. Uses the items' fields only, so a new item can be encoded as well."""
    if config.kind == "minilm":
        return encode_minilm(catalogue.texts)
    return encode_tfidf(catalogue.texts, TfidfConfig(size=config.size), seed=seed)


def fit_tokenizer(vectors: Floats, config: TokenizerConfig, *, seed: int) -> ResidualKMeans:
    """A tokenizer on float32 [I, D]; `.table(vectors)` gives the semantic IDs."""
    return ResidualKMeans.fit(vectors, config, seed=seed)


def fit_family(
    name: str,
    settings: dict[str, Any],
    data: FitData,
    *,
    seed: int,
    validate: Callable[[Recommender], float] | None = None,
    watch: Watcher | None = None,
    checkpoint: Path | None = None,
    stop_after: int | None = None,
) -> Fitted:
    """Fit one family.

    Args:
        name: key of FAMILIES.
        settings: its config's values; what is missing takes the default.
        data: what it may learn from.
        seed: of initial weights, shuffling and dropout.
        validate: metric on held-out users, higher is better; families that count do not need it.
        watch: called after each epoch.
        checkpoint: file to resume from and to keep.
        stop_after: epochs to run without validation, as found by a run with it.

    Raises:
        ValueError: no such family, or settings it does not have.
    """
    if name not in FAMILIES:
        raise ValueError(f"A family must be one of {', '.join(FAMILIES)}, but got {name!r}: choose one.")
    family = FAMILIES[name]
    config = family.config(**settings)
    if not family.trainable:
        return Fitted(family.recommender.fit(config, data), 0, ())
    recommender, trained = family.recommender.fit(
        config,
        data,
        seed=seed,
        validate=validate,
        watch=watch,
        checkpoint=checkpoint,
        stop_after=stop_after,
    )
    return Fitted(recommender, trained.epochs, trained.history)
