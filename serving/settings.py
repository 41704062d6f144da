"""Settings: the addresses and secrets that the service reads from its environment, in one place."""

import os
from pathlib import Path

from pydantic import ValidationError

from data.event_store.address import EVENTS_VARIABLE as EVENTS_VARIABLE
from data.event_store.address import Address, parse
from data.event_store.users import SALT_VARIABLE, UserKeys
from serving.access.headers import Origins, read_origins
from serving.access.keys import Keyring, key_of, read_keys
from serving.access.limits import DEFAULT_RATE, Limits, read_rate
from serving.door.schemas import explain
from serving.trial.config import TrialConfig

BUNDLE_VARIABLE = "ENCORE_BUNDLE"
TOKEN_VARIABLE = "ENCORE_TOKEN"
TOKENS_VARIABLE = "ENCORE_TOKENS"
TOKENS_FILE_VARIABLE = "ENCORE_TOKENS_FILE"
RATE_VARIABLE = "ENCORE_RATE"
IN_FLIGHT_VARIABLE = "ENCORE_IN_FLIGHT"
TIMEOUT_VARIABLE = "ENCORE_TIMEOUT"
ORIGINS_VARIABLE = "ENCORE_ORIGINS"
LOG_VARIABLE = "ENCORE_LOG"
ANSWERS_VARIABLE = "ENCORE_ANSWERS"
ANSWERS_DAYS_VARIABLE = "ENCORE_ANSWERS_DAYS"
ANSWERS_MB_VARIABLE = "ENCORE_ANSWERS_MB"
CHALLENGER_VARIABLE = "ENCORE_CHALLENGER"
TRIAL_VARIABLE = "ENCORE_TRIAL"
CATALOGUE_VARIABLE = "ENCORE_CATALOGUE"
PATIENCE_VARIABLE = "ENCORE_PATIENCE_MS"
MAX_BATCH_VARIABLE = "ENCORE_MAX_BATCH"
EVENTS_KINDS_VARIABLE = "ENCORE_EVENTS_KINDS"
EVENTS_KINDS = "purchase"
DOOR_VARIABLES = (
    TOKEN_VARIABLE,
    TOKENS_VARIABLE,
    TOKENS_FILE_VARIABLE,
    RATE_VARIABLE,
    IN_FLIGHT_VARIABLE,
    TIMEOUT_VARIABLE,
    ORIGINS_VARIABLE,
    LOG_VARIABLE,
)
"""Who may ask, and how much."""
ANSWERS_DAYS, ANSWERS_MB, PATIENCE_MS, MAX_BATCH = 90, 10_000, 5_000, 64
PACKED_BUNDLE = Path(__file__).resolve().parent.parent / "bundle"
PACKED_LINEAGE = PACKED_BUNDLE.with_name("lineage.json")


def token() -> str | None:
    """A secret that callers may send as `Authorization: Bearer` for everything; None: there is none."""
    return os.environ.get(TOKEN_VARIABLE) or None


def keyring() -> Keyring:
    """The keys that callers may send; none: only this machine may ask.

    Raises:
        ValueError: a list of keys that cannot be read, or two lists.
    """
    listed, file = os.environ.get(TOKENS_VARIABLE), os.environ.get(TOKENS_FILE_VARIABLE)
    if listed and file:
        raise ValueError(
            f"keys are listed in one place, but got {TOKENS_VARIABLE} and {TOKENS_FILE_VARIABLE}: set one."
        )
    own = token()
    keys = [] if own is None else [key_of(own)]
    try:
        if listed:
            keys += read_keys(listed, is_toml=False)
        elif file:
            keys += read_keys(Path(file).read_text(encoding="utf-8"), is_toml=file.endswith(".toml"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{TOKENS_VARIABLE if listed else TOKENS_FILE_VARIABLE}: {error}") from error
    return Keyring(keys)


def limits() -> Limits:
    """How much the service takes on.

    Raises:
        ValueError: a setting is not a number, or out of its bounds.
    """
    rate, given = os.environ.get(RATE_VARIABLE), {}
    for name, variable in (("in_flight", IN_FLIGHT_VARIABLE), ("timeout_seconds", TIMEOUT_VARIABLE)):
        if text := os.environ.get(variable):
            given[name] = text
    try:
        held = {"rate": read_rate(rate), "is_rate_set": True} if rate else {"rate": DEFAULT_RATE}
        return Limits.model_validate(given | held)
    except ValidationError as error:
        raise ValueError(f"{IN_FLIGHT_VARIABLE}, {TIMEOUT_VARIABLE}: {explain(error)}") from error
    except ValueError as error:
        raise ValueError(f"{RATE_VARIABLE}: {error}") from error


def origins() -> Origins:
    """Sites whose pages may ask from a browser; none by default.

    Raises:
        ValueError: one is not an origin.
    """
    try:
        return Origins(read_origins(os.environ.get(ORIGINS_VARIABLE, "")))
    except ValueError as error:
        raise ValueError(f"{ORIGINS_VARIABLE}: {error}") from error


def logs_requests() -> bool:
    """Whether each request gets a line in the log.

    Raises:
        ValueError: neither "requests" nor "off".
    """
    text = os.environ.get(LOG_VARIABLE) or "off"
    if text not in ("requests", "off"):
        raise ValueError(f"{LOG_VARIABLE} must be requests or off, but got {text!r}: correct it.")
    return text == "requests"


def collects_spans() -> bool:
    """Whether OpenTelemetry is on: the service switches it off unless it is told otherwise."""
    return os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


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


def max_batch() -> int:
    """Most requests that one call of the model answers; 1: no batching.

    Raises:
        ValueError: not a whole number of at least 1.
    """
    return _count(MAX_BATCH_VARIABLE, MAX_BATCH, "requests")


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
