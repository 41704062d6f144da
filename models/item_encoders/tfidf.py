"""TF-IDF + SVD: item texts to dense vectors (latent semantic analysis, Deerwester et al. 1990).

Dims: I items, F terms, D vector size.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from data.catalogue import Catalogue
from models.item_encoders.fitted import ItemEncoder, unit_rows
from models.recommender import Arrays, Config, Floats


class TfidfConfig(Config):
    """Size of the vectors."""

    kind: Literal["tfidf"] = "tfidf"
    size: int = Field(default=64, ge=2, description="D, components kept; fewer if the texts have fewer.")


@dataclass(frozen=True, slots=True)
class Tfidf(ItemEncoder):
    """The fitted encoder.

    Attributes:
        config: settings.
        terms: F words and pairs of neighbouring words, as they are numbered.
        rarity: float64 [F], inverse document frequency.
        components: float32 [D, F].
    """

    kind: ClassVar[str] = "tfidf"
    config: TfidfConfig
    terms: list[str]
    rarity: NDArray[np.float64]
    components: Floats

    def encode(self, items: Catalogue) -> Floats:
        """See `ItemEncoder.encode`."""
        terms = _vectorizer({term: number for number, term in enumerate(self.terms)})
        terms.idf_ = self.rarity
        return unit_rows(terms.transform(items.texts) @ self.components.T)

    def arrays(self) -> Arrays:
        """See `ItemEncoder.arrays`."""
        return {"rarity": self.rarity, "components": self.components}

    def head(self) -> dict[str, Any]:
        """See `ItemEncoder.head`."""
        return {"config": self.config.model_dump(mode="json"), "terms": self.terms}

    @classmethod
    def from_state(cls, head: dict[str, Any], arrays: Arrays) -> Self:
        """See `ItemEncoder.from_state`."""
        return cls(TfidfConfig(**head["config"]), head["terms"], arrays["rarity"], arrays["components"])


def fit_tfidf(texts: list[str], config: TfidfConfig, *, seed: int) -> tuple[Tfidf, Floats]:
    """The encoder, and one unit vector per text: float32 [I, D]; an empty text gets zeros.

    Words are weighted by log frequency; words and pairs of neighbouring words count.

    Raises:
        ValueError: no text has a word.
    """
    if not any(texts):
        raise ValueError(
            "The item encoder needs text, but every item's text is empty: name text fields in the source."
        )
    terms = _vectorizer()
    matrix = terms.fit_transform(texts)
    size = min(config.size, min(matrix.shape) - 1)
    reduction = TruncatedSVD(max(1, size), random_state=seed)
    vectors = unit_rows(reduction.fit_transform(matrix))
    components = reduction.components_.astype(np.float32)
    return Tfidf(config, terms.get_feature_names_out().tolist(), terms.idf_, components), vectors


def _vectorizer(vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        token_pattern=r"(?u)[^\s:/,\-]+",
        vocabulary=vocabulary,
    )
