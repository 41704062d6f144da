"""Settings: the addresses and secrets that the service reads from its environment, in one place."""

import os
from pathlib import Path

BUNDLE_VARIABLE = "ENCORE_BUNDLE"
TOKEN_VARIABLE = "ENCORE_TOKEN"
ANSWERS_VARIABLE = "ENCORE_ANSWERS"
PACKED_BUNDLE = Path(__file__).resolve().parent.parent / "bundle"
PACKED_LINEAGE = PACKED_BUNDLE.with_name("lineage.json")


def token() -> str | None:
    """What callers must send as `Authorization: Bearer`; None: only this machine may ask."""
    return os.environ.get(TOKEN_VARIABLE) or None


def answers_folder() -> Path | None:
    """Where questions and answers are kept, for tracing; None: nowhere."""
    named = os.environ.get(ANSWERS_VARIABLE)
    return Path(named) if named else None


def bundle_path() -> Path:
    """Folder of the bundle to serve: the one packed in the Bento, else the one that ENCORE_BUNDLE names.

    Raises:
        ValueError: none is packed and none is named, or the named folder is not a bundle.
    """
    if PACKED_BUNDLE.is_dir():
        return PACKED_BUNDLE
    named = os.environ.get(BUNDLE_VARIABLE)
    if not named:
        raise ValueError(
            f"the service needs a bundle, but none is packed and {BUNDLE_VARIABLE} is not set: "
            f"serve a Bento, or set {BUNDLE_VARIABLE} to the folder of a bundle."
        )
    if not (Path(named) / "bundle.json").is_file():
        raise ValueError(
            f"{BUNDLE_VARIABLE} must be the folder of a bundle, but got {named}, which has no bundle.json: "
            "give the folder that models.bundle.save wrote."
        )
    return Path(named).resolve()
