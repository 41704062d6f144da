"""Files: writes that happen whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON in one rename; it is on disk when this returns."""
    draft = path.with_name(f".{path.name}.draft")
    draft.parent.mkdir(parents=True, exist_ok=True)
    with draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def drafted(folder: Path, *, keep: bool = False) -> Iterator[Path]:
    """A draft of `folder` to fill; it takes the name only if the block ends without an error.

    Args:
        folder: final place; what is there is replaced.
        keep: whether a draft left by a killed run is continued instead of thrown away.
    """
    draft = folder.with_name(folder.name + ".draft")
    if not keep:
        shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, exist_ok=True)
    yield draft
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
