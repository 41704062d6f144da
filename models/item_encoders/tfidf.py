"""TF-IDF + SVD: item texts to dense vectors (latent semantic analysis, Deerwester et al. 1990)."""

from typing import Literal

import numpy as np
from pydantic import Field
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from models.recommender import Config, Floats


class TfidfConfig(Config):
    """Size of the vectors."""

    kind: Literal["tfidf"] = "tfidf"
    size: int = Field(default=64, ge=2, description="D, components kept; fewer if the texts have fewer.")


def encode_tfidf(texts: list[str], config: TfidfConfig, *, seed: int) -> Floats:
    """One unit vector per text: float32 [I, D]; an empty text gets zeros.

    Words are weighted by log frequency; words and pairs of neighbouring words count.

    Raises:
        ValueError: no text has a word.
    """
    if not any(texts):
        raise ValueError(
            "The item encoder needs text, but every item's text is empty: name text fields in the source."
        )
    terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)[^\s:/,\-]+")
    matrix = terms.fit_transform(texts)
    size = min(config.size, min(matrix.shape) - 1)
    vectors = TruncatedSVD(max(1, size), random_state=seed).fit_transform(matrix)
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-9), dtype=np.float32)
