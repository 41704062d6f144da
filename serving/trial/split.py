"""Split: which arm a request belongs to, by a salted hash of who asks; keeps no state and draws no lot."""

import hashlib
import json

from serving.door.schemas import RecommendRequest


def place(request: RecommendRequest, salt: str) -> float:
    """Where the user stands in [0, 1): uniform over users, the same at every request and in every process.

    A request by history has no user key: the keys of its events stand in, so the same history has the same
    place, and a history that grows moves. Another salt shuffles everybody.
    """
    who = ["user", request.user] if request.user is not None else ["history", *(request.history or [])]
    text = json.dumps([salt, *who])  # lists as JSON never read alike, whatever the keys hold
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2**56


def is_in_share(request: RecommendRequest, *, share: float, salt: str) -> bool:
    """Whether the request belongs to the challenger; who is in a share stays in a larger one."""
    return place(request, salt) < share
