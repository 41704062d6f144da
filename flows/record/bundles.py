"""Bundles: find one on this disk by its digest, in a Bento or in the folder of the step that trained it."""

from collections.abc import Iterator
from pathlib import Path

from flows.environment import Home
from models import bundle


def bundle_with(home: Home, digest: str) -> Path | None:
    """Folder of the bundle with this digest, one in a Bento before others; None where it is gone."""
    return next((folder for folder in _bundles(home) if bundle.digest(folder) == digest), None)


def _bundles(home: Home) -> Iterator[Path]:
    for place in (home.bentos.glob("bentos/*/*/src/bundle"), home.work.glob("*/bundle")):
        yield from (folder for folder in sorted(place) if (folder / "digest").is_file())
