"""Item codes on disk: content vectors, tokenizer and semantic IDs of one catalogue, as safetensors.

The kind of tokenizer and its settings are the file's metadata, so any kind comes back without a class path.
The encoder of items that come later lies beside it, `encoder.json` and `encoder.safetensors`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from models.item_encoders.encoders import head_of, rebuilt
from models.item_encoders.fitted import ItemEncoder
from models.recommender import Arrays, Floats
from models.tokenizers.code_table import CodeTable
from models.tokenizers.kinds import TOKENIZERS
from models.tokenizers.tokenizer import Tokenizer

STATE = "tokenizer."
ENCODER_HEAD, ENCODER_ARRAYS = "encoder.json", "encoder.safetensors"


@dataclass(frozen=True, slots=True)
class ItemCodes:
    """What a model needs to know of its items.

    Attributes:
        vectors: float32 [I, D], content vectors.
        tokenizer: fitted on them, to encode items that come later.
        table: semantic IDs.
        encoder: fitted on the catalogue, to encode items that come later; None where it was not kept.
    """

    vectors: Floats
    tokenizer: Tokenizer
    table: CodeTable
    encoder: ItemEncoder | None = None

    def arrays(self) -> Arrays:
        """All but the encoder by name, for a file and for an audit."""
        state = {STATE + name: value for name, value in self.tokenizer.state().items()}
        sizes = np.array(self.table.sizes, dtype=np.int64)
        return {"vectors": self.vectors, "codes": self.table.codes, "sizes": sizes, **state}


def save_codes(path: Path, codes: ItemCodes) -> None:
    """Write the file `path`, and the encoder's two beside it if there is one."""
    arrays = {name: np.ascontiguousarray(value) for name, value in codes.arrays().items()}
    save_file(arrays, path, {"tokenizer": json.dumps(codes.tokenizer.config.model_dump(mode="json"))})
    if codes.encoder is not None:
        head = json.dumps(head_of(codes.encoder), ensure_ascii=False, sort_keys=True)
        path.with_name(ENCODER_HEAD).write_text(head, encoding="utf-8")
        learned = {name: np.ascontiguousarray(value) for name, value in codes.encoder.arrays().items()}
        save_file(learned, path.with_name(ENCODER_ARRAYS))


def load_codes(path: Path) -> ItemCodes:
    """The inverse of `save_codes`."""
    with safe_open(path, framework="numpy") as file:
        settings = json.loads(file.metadata()["tokenizer"])
    arrays = load_file(path)
    kind = TOKENIZERS[settings["kind"]]
    state = {n.removeprefix(STATE): value for n, value in arrays.items() if n.startswith(STATE)}
    tokenizer = kind.tokenizer.from_state(kind.config(**settings), state)
    table = CodeTable(arrays["codes"], tuple(int(size) for size in arrays["sizes"]))
    return ItemCodes(arrays["vectors"], tokenizer, table, _load_encoder(path.parent))


def _load_encoder(folder: Path) -> ItemEncoder | None:
    head = folder / ENCODER_HEAD
    if not head.is_file():
        return None
    return rebuilt(json.loads(head.read_text(encoding="utf-8")), load_file(folder / ENCODER_ARRAYS))
