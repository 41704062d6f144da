"""Kinds of tokenizers: the one list of them. A new kind is one line here and one in the union."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from models.recommender import Config
from models.tokenizers.fsq import FSQ, FSQConfig
from models.tokenizers.letter import Letter, LetterConfig
from models.tokenizers.product import Product, ProductConfig
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from models.tokenizers.rq_vae import RQVAE, RQVAEConfig
from models.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Kind:
    """A tokenizer and its settings.

    Attributes:
        tokenizer: the class.
        config: its settings.
        ordered: whether a code refines the ones before it, as a search by prefix wants it; else the codes
            are slots of equal rank.
    """

    tokenizer: type[Tokenizer]
    config: type[Config]
    ordered: bool


TOKENIZERS: dict[str, Kind] = {
    "residual-kmeans": Kind(ResidualKMeans, ResidualKMeansConfig, ordered=True),
    "product": Kind(Product, ProductConfig, ordered=False),
    "fsq": Kind(FSQ, FSQConfig, ordered=False),
    "rq-vae": Kind(RQVAE, RQVAEConfig, ordered=True),
    "letter": Kind(Letter, LetterConfig, ordered=True),
}

DEFAULT = "residual-kmeans"


def _with_kind(value: Any) -> Any:
    return {"kind": DEFAULT, **value} if isinstance(value, dict) else value


TokenizerConfig = Annotated[
    Annotated[
        ResidualKMeansConfig | ProductConfig | FSQConfig | RQVAEConfig | LetterConfig,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_with_kind),
]
"""The [tokenizer] table of a TOML file; without `kind` it is residual k-means."""
