"""Item codes on disk: content vectors, codebooks and semantic IDs of one catalogue, as safetensors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from models.recommender import Arrays, Floats
from models.tokenizers.code_table import CodeTable
from models.tokenizers.residual_kmeans import ResidualKMeans


@dataclass(frozen=True, slots=True)
class ItemCodes:
    """What a model needs to know of its items.

    Attributes:
        vectors: float32 [I, D], content vectors.
        codebooks: float32 [L, K, D], to encode items that come later.
        table: semantic IDs.
    """

    vectors: Floats
    codebooks: Floats
    table: CodeTable


def save_codes(path: Path, vectors: Floats, tokenizer: ResidualKMeans, table: CodeTable) -> None:
    """Write one file."""
    arrays: Arrays = {
        "vectors": np.ascontiguousarray(vectors),
        "codebooks": np.ascontiguousarray(tokenizer.codebooks),
        "codes": np.ascontiguousarray(table.codes),
        "sizes": np.array(table.sizes, dtype=np.int64),
    }
    save_file(arrays, path)


def load_codes(path: Path) -> ItemCodes:
    """The inverse of `save_codes`."""
    arrays = load_file(path)
    table = CodeTable(arrays["codes"], tuple(int(size) for size in arrays["sizes"]))
    return ItemCodes(arrays["vectors"], arrays["codebooks"], table)
