"""Keys: who a caller is by the key it sends, and which roles it has; keeps digests of keys, never a key."""

import hashlib
import hmac
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving.door.schemas import explain

Role = Literal["read", "feedback", "admin"]
ROLES: frozenset[Role] = frozenset(get_args(Role))
TOKEN_NAME = "token"


class Key(BaseModel):
    """One key: its name in logs, what it may do, and the SHA-256 of its secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    roles: tuple[Role, ...] = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hashlib.sha256(secret).hexdigest()")


class KeyList(BaseModel):
    """All keys of a service; no two share a name or a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_unambiguous(self) -> Self:
        for what, values in (
            ("name", [key.name for key in self.keys]),
            ("sha256", [key.sha256 for key in self.keys]),
        ):
            value, times = Counter(values).most_common(1)[0]
            if times > 1:
                raise ValueError(f"each key needs its own {what}, but {value} is there {times} times.")
        if any(key.name == TOKEN_NAME for key in self.keys):
            raise ValueError(f"the name {TOKEN_NAME} belongs to ENCORE_TOKEN: choose another.")
        return self


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a name for logs and limits, and the roles."""

    name: str
    roles: frozenset[Role]


LOCAL = Caller("local", ROLES)
"""This machine, where no keys are set."""


class Keyring:
    """Finds the owner of a secret.

    Args:
        keys: all keys of the service; none: only this machine may ask.
    """

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._owners = [(key.sha256, Caller(key.name, frozenset(key.roles))) for key in keys]

    def __len__(self) -> int:
        return len(self._owners)

    def owner(self, secret: bytes) -> Caller | None:
        """Whose secret this is; takes as long for every secret of one length, known or not."""
        digest = hashlib.sha256(secret).hexdigest()
        found = [caller for own, caller in self._owners if hmac.compare_digest(own, digest)]
        return found[0] if found else None


def key_of(token: str) -> Key:
    """The key that the one token of a service stands for: it may do everything."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return Key(name=TOKEN_NAME, roles=tuple(sorted(ROLES)), sha256=digest)


def read_keys(text: str, *, is_toml: bool) -> tuple[Key, ...]:
    """The keys of a document `{"keys": [{"name": ..., "roles": [...], "sha256": ...}]}`.

    Raises:
        ValueError: not JSON or TOML, or not such a document; what came is not repeated, it could be a secret.
    """
    try:
        if is_toml:
            return KeyList.model_validate(tomllib.loads(text)).keys
        return KeyList.model_validate_json(text).keys
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it must be TOML, but {error}: correct it.") from None
    except ValidationError as error:
        raise ValueError(explain(error, shows_value=False)) from None
