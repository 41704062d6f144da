"""Fingerprints: content hashes of settings, files and code.

They name artefacts and decide what is run again.
"""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from flows.environment import LAYERS

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
def of_modules(*names: str) -> str:
    """SHA-256, hex, of these modules and all of our modules that they import, however deep.

    Comments and docstrings do not count: only what can change a number should make an hour of training void.
    """
    total = hashlib.sha256()
    for name, file in sorted(_closure(names).items()):
        total.update(name.encode() + _bare(ast.parse(file.read_bytes())).encode())
    return total.hexdigest()


def _closure(names: Iterable[str]) -> dict[str, Path]:
    """Name to file of every module of `LAYERS` that is reached from `names`."""
    found: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in LAYERS:
            continue
        spec = _spec(name)
        if spec is not None and spec.origin is not None:
            found[name] = Path(spec.origin)
            waiting += _imported(ast.parse(found[name].read_bytes()))
    return found


def _spec(name: str) -> ModuleSpec | None:
    """None where `name` is a value in a module and no module."""
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None


def _imported(tree: ast.AST) -> Iterator[str]:
    """Modules that a file imports, and what may be modules in `from package import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _bare(tree: ast.AST) -> str:
    """The code without docstrings, comments and layout."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


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
