"""Fitting: what the flow asks of this layer: encode items, fit a tokenizer, fit a family."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.families import FAMILIES
from models.item_encoders.collaborative import encode_collaborative
from models.item_encoders.encoders import EncoderConfig, fit
from models.item_encoders.fitted import ItemEncoder
from models.learning.memory import keep_one_heap
from models.recommender import Arrays, Epoch, FitData, Floats, Recommender, Watcher
from models.tokenizers.kinds import TOKENIZERS, TokenizerConfig
from models.tokenizers.letter import LetterConfig
from models.tokenizers.store import ItemCodes
from models.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Fitted:
    """A recommender and how it came about.

    Attributes:
        recommender: ready to answer.
        epochs: epochs whose weights were kept; 0 for a family that counts.
        history: every epoch that ran.
        found: settings that the fit chose itself on validation data, as a refit without them must be told.
    """

    recommender: Recommender
    epochs: int
    history: tuple[Epoch, ...]
    found: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """What was fitted as plain values, for another process.

    Attributes:
        family: key of FAMILIES.
        config: the recommender's settings.
        state: everything that it learned.
        epochs, history, found: as in `Fitted`.
    """

    family: str
    config: dict[str, Any]
    state: Arrays
    epochs: int
    history: tuple[Epoch, ...]
    found: dict[str, Any]

    @classmethod
    def of(cls, fitted: Fitted) -> Self:
        """Pack."""
        recommender = fitted.recommender
        config, state = recommender.config.model_dump(mode="json"), recommender.state()
        return cls(recommender.family, config, state, fitted.epochs, fitted.history, fitted.found)

    def fitted(self) -> Fitted:
        """Unpack."""
        family = FAMILIES[self.family]
        recommender = family.recommender.from_state(family.config(**self.config), self.state)
        return Fitted(recommender, self.epochs, self.history, self.found)


def can_share(family: str) -> bool:
    """Whether several processes can train one model of this family together (`data_parallel`)."""
    return getattr(FAMILIES[family].recommender, "shared", False)


def use_threads(n: int) -> None:
    """Let each matrix product use `n` cores; the same number gives the same bits.

    Also keeps what each step frees for the next, which takes 2 to 12 % off a training step.
    """
    torch.set_num_threads(n)
    keep_one_heap()


def encode_items(
    catalogue: Catalogue, config: EncoderConfig, *, seed: int, events: Interactions | None = None
) -> Floats:
    """Item vectors: float32 [I, D].

    Most encoders use the items' fields only, so a new item can be encoded as well; `collaborative` learns
    from `events`, which must lie before the cut-off.

    Raises:
        ValueError: the encoder needs texts, categories or events that are not there.
    """
    return fit_encoder(catalogue, config, seed=seed, events=events)[1]


def fit_encoder(
    catalogue: Catalogue, config: EncoderConfig, *, seed: int, events: Interactions | None = None
) -> tuple[ItemEncoder, Floats]:
    """As `encode_items`, with the encoder, which goes on to encode items that come later."""
    return fit(catalogue, config, seed=seed, events=events)


def fit_tokenizer(
    vectors: Floats, config: TokenizerConfig, *, seed: int, teacher: Floats | None = None
) -> Tokenizer:
    """A tokenizer on float32 [I, D]; `.table(vectors)` gives the semantic IDs. See `Tokenizer.fit`."""
    return TOKENIZERS[config.kind].tokenizer.fit(vectors, config, seed=seed, teacher=teacher)


def fit_codes(
    catalogue: Catalogue,
    events: Interactions,
    encoder: EncoderConfig,
    tokenizer: TokenizerConfig,
    *,
    seed: int,
) -> ItemCodes:
    """Vectors, encoder, tokenizer and semantic IDs of a window; a tokenizer's teacher where it needs one.

    Args:
        catalogue: the window's items.
        events: the window's training events.
        encoder: items to vectors.
        tokenizer: vectors to codes.
        seed: of everything random.
    """
    encodes, vectors = fit_encoder(catalogue, encoder, seed=seed, events=events)
    teacher = None
    if isinstance(tokenizer, LetterConfig):
        teacher = encode_collaborative(events, len(catalogue), tokenizer.teacher, seed=seed)
    fitted = fit_tokenizer(vectors, tokenizer, seed=seed, teacher=teacher)
    return ItemCodes(vectors, fitted, fitted.table(vectors), encodes)


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
        return Fitted(family.recommender.fit(config, data), 0, (), {})
    recommender, trained = family.recommender.fit(
        config,
        data,
        seed=seed,
        validate=validate,
        watch=watch,
        checkpoint=checkpoint,
        stop_after=stop_after,
    )
    asked = config.model_dump(mode="json")
    found = {k: v for k, v in recommender.config.model_dump(mode="json").items() if v != asked[k]}
    return Fitted(recommender, trained.epochs, trained.history, found)
