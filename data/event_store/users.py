"""User keys: how a user is written wherever events and answers are kept: plainly, or as a keyed hash."""

import hashlib
import hmac

SALT_VARIABLE = "ENCORE_USER_SALT"
MIN_SALT = 16


class UserKeys:
    """Writes user keys: HMAC-SHA256 under a salt, in hex; without a salt as they are.

    Args:
        salt: secret text; whoever has it can tell whether a guessed key is in a store.

    Raises:
        ValueError: a salt that is short enough to be guessed.
    """

    def __init__(self, salt: str | None = None) -> None:
        if salt is not None and len(salt) < MIN_SALT:
            raise ValueError(
                f"{SALT_VARIABLE} must have {MIN_SALT} characters or more, but got {len(salt)}: "
                'make one, for example with `python -c "import secrets; print(secrets.token_hex())"`.'
            )
        self._salt = None if salt is None else salt.encode()

    @property
    def are_hashed(self) -> bool:
        """Whether there is a salt."""
        return self._salt is not None

    def stored(self, user: str) -> str:
        """How `user` is written."""
        return user if self._salt is None else hmac.digest(self._salt, user.encode(), "sha256").hex()

    @property
    def fingerprint(self) -> str:
        """Tells salts apart and gives none away; "" without one. No user key holds the character U+0000."""
        return "" if self._salt is None else self.stored("\0encore")[:16]


def forgotten_name(what: str, key: str) -> str:
    """How a store remembers what it deleted: SHA-256 of `user:KEY` or `event:KEY`, in hex."""
    return hashlib.sha256(f"{what}:{key}".encode()).hexdigest()
