"""Fingerprints: content hashes of settings, files and code.

They name artefacts and decide what is run again.
"""

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

VOLATILE = "notes"
"""Folder of an artefact for what differs from run to run: times, logs, plots. No digest covers it."""


def of(*parts: Any) -> str:
    """SHA-256, hex, of JSON-like values, pydantic models and paths' names; the order counts."""
    text = json.dumps(_plain(parts), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def of_folder(folder: Path) -> str:
    """SHA-256, hex, of the names and bytes of all files below `folder`, except those in `notes/`."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder)
        if name.parts[0] != VOLATILE:
            total.update(name.as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


@cache
def of_code(*layers: str) -> str:
    """SHA-256, hex, of the Python files of these packages; changed code makes steps run again."""
    total = hashlib.sha256()
    for layer in layers:
        for file in sorted(_package_folder(layer).rglob("*.py")):
            total.update(file.name.encode() + file.read_bytes())
    return total.hexdigest()


@cache
def of_file(path: Path) -> str:
    """SHA-256, hex, of one file of code."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"code version needs an importable package, but got {name!r}: install encore.")
    return Path(spec.origin).parent


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
