"""Bundle: a recommender with its catalogue, users and lineage as one folder of JSON + safetensors.

No pickle and no class path: the family's name finds the code. The digest covers every byte but itself, so
two equal trainings give two equal digests.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.families import FAMILIES
from models.recommender import Arrays, Recommender
from models.tokenizers.code_table import CodeTable
from models.tokenizers.store import ItemCodes, load_codes, save_codes

FORMAT_VERSION = 3
READABLE = (1, 3)  # 1 has no items.safetensors, 2 has the weights of trie-pointer instead of its vectors
ITEMS = "items.safetensors"


@dataclass(frozen=True)
class Bundle:
    """What serving needs and nothing else.

    Attributes:
        recommender: the fitted model.
        catalogue: its items, by dense id.
        user_keys: known users, sorted; row u of `histories` is theirs.
        histories: their newest events, for requests by user key.
        lineage: where it comes from: family, run_id, snapshot, generation, protocol...
        items: content vectors, frozen tokenizer and semantic IDs of the catalogue, for what is near an item
            and, with the frozen item encoder, for items that come later; None in a bundle of format 1. The
            encoder is None where the bundle was written before encoders were kept.
    """

    recommender: Recommender
    catalogue: Catalogue
    user_keys: list[str]
    histories: Interactions
    lineage: dict[str, str]
    items: ItemCodes | None = None


def save(bundle: Bundle, path: Path) -> str:
    """Write `bundle` to the new folder `path`, all or nothing; returns its digest (SHA-256, hex)."""
    draft = path.with_name(path.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file(_contiguous(bundle.recommender.state()), draft / "weights.safetensors")
    save_file(_contiguous(_history_arrays(bundle.histories)), draft / "histories.safetensors")
    if bundle.items is not None:
        save_codes(draft / ITEMS, bundle.items)
    _write_json(draft / "users.json", bundle.user_keys)
    columns = bundle.catalogue.frame.to_dict(as_series=False)
    _write_json(draft / "catalogue.json", {"text_fields": bundle.catalogue.text_fields, "columns": columns})
    head = {
        "format_version": FORMAT_VERSION,
        "family": bundle.recommender.family,
        "config": bundle.recommender.config.model_dump(mode="json"),
        "lineage": bundle.lineage,
    }
    _write_json(draft / "bundle.json", head)
    digest = _digest(draft)
    (draft / "digest").write_text(digest)
    shutil.rmtree(path, ignore_errors=True)
    draft.rename(path)
    return digest


def load(path: Path) -> Bundle:
    """Read a bundle and check its digest.

    Raises:
        ValueError: not a bundle, changed after it was written, of another format version or unknown family.
    """
    if not (path / "bundle.json").is_file():
        raise ValueError(f"{path}: a bundle holds bundle.json, but there is none: give its folder.")
    if not (path / "digest").is_file():
        raise ValueError(f"{path}: a bundle holds its digest, but there is none: restore the bundle.")
    if (found := _digest(path)) != (path / "digest").read_text():
        raise ValueError(
            f"{path}: the files must match the recorded digest, but got {found[:12]}: restore the bundle."
        )
    head = json.loads((path / "bundle.json").read_text())
    if not READABLE[0] <= head["format_version"] <= READABLE[1]:
        raise ValueError(
            f"{path}: this version reads bundle formats {READABLE[0]} to {READABLE[-1]}, but got "
            f"{head['format_version']}: load it with the version that wrote it, or retrain."
        )
    if head["family"] not in FAMILIES:
        raise ValueError(
            f"{path}: the family must be one of {', '.join(sorted(FAMILIES))}, but got {head['family']!r}: "
            "load it with the version that wrote it."
        )
    family = FAMILIES[head["family"]]
    state = load_file(path / "weights.safetensors")
    items = json.loads((path / "catalogue.json").read_text())
    recommender = family.recommender.from_state(family.config(**head["config"]), state)
    return Bundle(
        recommender,
        Catalogue(pl.DataFrame(items["columns"]), tuple(items["text_fields"])),
        json.loads((path / "users.json").read_text()),
        Interactions(**load_file(path / "histories.safetensors")),
        head["lineage"],
        _items(path / ITEMS, recommender) if (path / ITEMS).is_file() else None,
    )


def digest(path: Path) -> str:
    """The recorded digest of a bundle."""
    return (path / "digest").read_text()


def _items(path: Path, recommender: Recommender) -> ItemCodes:
    """Item codes from a file; a recommender with the same semantic IDs lends its table, and so its trie."""
    items, own = load_codes(path), getattr(recommender, "codes", None)
    if isinstance(own, CodeTable) and np.array_equal(own.codes, items.table.codes):
        return replace(items, table=own)
    return items


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.name != "digest":
            with file.open("rb") as opened:  # a million items have files of hundreds of megabytes
                total.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()


def _contiguous(arrays: Arrays) -> Arrays:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _history_arrays(histories: Interactions) -> Arrays:
    return {
        "item": histories.item,
        "time": histories.time,
        "basket": histories.basket,
        "offsets": histories.offsets,
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True))
