"""Settings: the addresses and secrets that the service reads from its environment, in one place."""

import os
from pathlib import Path

from pydantic import ValidationError

from data.event_store.address import EVENTS_VARIABLE as EVENTS_VARIABLE
from data.event_store.address import Address, parse
from data.event_store.users import SALT_VARIABLE, UserKeys
from serving.door.schemas import explain
from serving.trial.config import TrialConfig

BUNDLE_VARIABLE = "ENCORE_BUNDLE"
TOKEN_VARIABLE = "ENCORE_TOKEN"
ANSWERS_VARIABLE = "ENCORE_ANSWERS"
ANSWERS_DAYS_VARIABLE = "ENCORE_ANSWERS_DAYS"
ANSWERS_MB_VARIABLE = "ENCORE_ANSWERS_MB"
CHALLENGER_VARIABLE = "ENCORE_CHALLENGER"
TRIAL_VARIABLE = "ENCORE_TRIAL"
CATALOGUE_VARIABLE = "ENCORE_CATALOGUE"
PATIENCE_VARIABLE = "ENCORE_PATIENCE_MS"
EVENTS_KINDS_VARIABLE = "ENCORE_EVENTS_KINDS"
EVENTS_KINDS = "purchase"
ANSWERS_DAYS, ANSWERS_MB, PATIENCE_MS = 90, 10_000, 5_000
PACKED_BUNDLE = Path(__file__).resolve().parent.parent / "bundle"
PACKED_LINEAGE = PACKED_BUNDLE.with_name("lineage.json")


def token() -> str | None:
    """What callers must send as `Authorization: Bearer`; None: only this machine may ask."""
    return os.environ.get(TOKEN_VARIABLE) or None


def answers_folder() -> Path | None:
    """Where questions and answers are kept, for tracing; None: nowhere."""
    named = os.environ.get(ANSWERS_VARIABLE)
    return Path(named) if named else None


def answers_days() -> int:
    """Days that answers are kept, today's not counted.

    Raises:
        ValueError: not a whole number of at least 1.
    """
    return _count(ANSWERS_DAYS_VARIABLE, ANSWERS_DAYS, "days")


def answers_megabytes() -> int:
    """Megabytes (1e6 bytes) that all kept answers may take.

    Raises:
        ValueError: not a whole number of at least 1.
    """
    return _count(ANSWERS_MB_VARIABLE, ANSWERS_MB, "megabytes")


def patience_ms() -> int:
    """Milliseconds that a request waits for the model before it is answered without it.

    Raises:
        ValueError: not a whole number of at least 1.
    """
    return _count(PATIENCE_VARIABLE, PATIENCE_MS, "milliseconds")


def catalogue_folder() -> Path | None:
    """Where changes of the catalogue are kept; None: in memory, lost with the process."""
    named = os.environ.get(CATALOGUE_VARIABLE)
    return Path(named) if named else None


def trial() -> tuple[Path, TrialConfig] | None:
    """Folder of the challenger's bundle or Bento, and how it is tried; None: there is no trial.

    Raises:
        ValueError: one of the two settings is missing, or wrong.
    """
    folder, text = os.environ.get(CHALLENGER_VARIABLE), os.environ.get(TRIAL_VARIABLE)
    if not folder and not text:
        return None
    if not folder or not text:
        missing, there = (CHALLENGER_VARIABLE, TRIAL_VARIABLE)[:: 1 if not folder else -1]
        raise ValueError(
            f"a trial needs {CHALLENGER_VARIABLE}, a folder, and {TRIAL_VARIABLE}, such as "
            f'{{"mode": "shadow"}}, but got {there} without {missing}: set both, or none.'
        )
    if not Path(folder).is_dir():
        raise ValueError(f"{CHALLENGER_VARIABLE} must be a folder, but got {folder}: name a bundle or Bento.")
    try:
        return Path(folder).resolve(), TrialConfig.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{TRIAL_VARIABLE}: {explain(error)}") from error


def events() -> Address | None:
    """Where feedback is kept; None: it is not taken.

    Raises:
        ValueError: neither a path nor a postgresql:// URL, or psycopg is missing for the latter.
    """
    named = os.environ.get(EVENTS_VARIABLE)
    return parse(named) if named else None


def events_kinds() -> tuple[str, ...]:
    """Kinds of events that continue a user's history and count as hits, in the order they are given.

    Raises:
        ValueError: no name between two commas.
    """
    text = os.environ.get(EVENTS_KINDS_VARIABLE) or EVENTS_KINDS
    kinds = tuple(part.strip() for part in text.split(","))
    if "" in kinds:
        raise ValueError(
            f"{EVENTS_KINDS_VARIABLE} must be names with commas between, such as purchase,cart, but got "
            f"{text!r}: correct it."
        )
    return kinds


def user_keys() -> UserKeys:
    """How user keys are written in the event store and the answer log: hashed where there is a salt.

    Raises:
        ValueError: the salt is short enough to be guessed.
    """
    return UserKeys(os.environ.get(SALT_VARIABLE) or None)


def _count(name: str, default: int, what: str) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{name} must be a whole number of {what}, 1 or more, but got {text!r}: correct it.")
    return int(text)


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
