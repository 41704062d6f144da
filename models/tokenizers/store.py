"""Item codes on disk: content vectors, tokenizer and semantic IDs of one catalogue, as safetensors.

The kind of tokenizer and its settings are the file's metadata, so any kind comes back without a class path.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from models.recommender import Arrays, Floats
from models.tokenizers.code_table import CodeTable
from models.tokenizers.kinds import TOKENIZERS
from models.tokenizers.tokenizer import Tokenizer

STATE = "tokenizer."


@dataclass(frozen=True, slots=True)
class ItemCodes:
    """What a model needs to know of its items.

    Attributes:
        vectors: float32 [I, D], content vectors.
        tokenizer: fitted on them, to encode items that come later.
        table: semantic IDs.
    """

    vectors: Floats
    tokenizer: Tokenizer
    table: CodeTable

    def arrays(self) -> Arrays:
        """All of it by name, for a file and for an audit."""
        state = {STATE + name: value for name, value in self.tokenizer.state().items()}
        sizes = np.array(self.table.sizes, dtype=np.int64)
        return {"vectors": self.vectors, "codes": self.table.codes, "sizes": sizes, **state}


def save_codes(path: Path, codes: ItemCodes) -> None:
    """Write one file."""
    arrays = {name: np.ascontiguousarray(value) for name, value in codes.arrays().items()}
    save_file(arrays, path, {"tokenizer": json.dumps(codes.tokenizer.config.model_dump(mode="json"))})


def load_codes(path: Path) -> ItemCodes:
    """The inverse of `save_codes`."""
    with safe_open(path, framework="numpy") as file:
        settings = json.loads(file.metadata()["tokenizer"])
    arrays = load_file(path)
    kind = TOKENIZERS[settings["kind"]]
    state = {n.removeprefix(STATE): value for n, value in arrays.items() if n.startswith(STATE)}
    tokenizer = kind.tokenizer.from_state(kind.config(**settings), state)
    table = CodeTable(arrays["codes"], tuple(int(size) for size in arrays["sizes"]))
    return ItemCodes(arrays["vectors"], tokenizer, table)
