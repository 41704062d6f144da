"""Trace: from the id of an answer to the model, data, verdict and run behind it, and the answer once more."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.environment import Home
from flows.record.bundles import bundle_with
from flows.record.ledger import Entry, Ledger
from models import bundle
from serving import bento
from serving.answers import answer_log
from serving.answers.answerer import Answerer
from serving.answers.recent import Recent, RecentEvent
from serving.catalogue.again import at_version
from serving.door.schemas import RecommendRequest
from serving.settings import ANSWERS_DAYS_VARIABLE, ANSWERS_MB_VARIABLE, user_keys

TOLERANCE = 1e-9  # of a score; another batch may add in another order


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known about an answer.

    Attributes:
        line: what the service kept: id, when, bundle, bento, request, items, scores.
        lineage: of the bundle: snapshot, generation, protocol, run.
        acts: lines of the ledger about the bundle, oldest first.
        again: items and scores of the same question now; None where the bundle is gone, or the version of the
            catalogue was not kept here.
    """

    line: dict[str, Any]
    lineage: dict[str, str]
    acts: list[Entry]
    again: tuple[list[str], list[float]] | None

    @property
    def reproduced(self) -> bool:
        """Whether the same question has the same answer."""
        if self.again is None or self.again[0] != self.line["items"]:
            return False
        pairs = zip(self.again[1], self.line["scores"], strict=True)
        return all(abs(now - then) <= TOLERANCE * max(1.0, abs(then)) for now, then in pairs)

    @property
    def when(self) -> str:
        """The moment of the answer, UTC."""
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.line["when"]))


def trace(home: Home, name: str) -> Trace:
    """Find an answer and ask again.

    Raises:
        ValueError: no such answer was kept.
    """
    line = answer_log.find(home.answers, name)
    if line is None:
        raise ValueError(_why_not(home.answers, name))
    acts = [each for each in Ledger(home.ledger_url).entries() if each.bundle == line["bundle"]]
    folder = _bundle_of(line, home)
    if folder is None:
        return Trace(line, {}, acts, None)
    loaded = bundle.load(folder)
    answerer = Answerer(loaded, line["bundle"], recent=_AsItWas(line))
    version = line.get("catalogue", 0)
    then = at_version(answerer, home.catalogue, version) if version else answerer
    again = None if then is None else _ask_again(then, line)
    return Trace(line, loaded.lineage, acts, again)


class _AsItWas:
    """What was known of the user when the answer was made."""

    def __init__(self, line: dict[str, Any]) -> None:
        events = tuple(RecentEvent(*row) for row in line.get("recent", ()))
        self._recent = Recent(events, line.get("forgotten", False))

    def of(self, user: str, *, since: int) -> Recent:
        return self._recent

    def stored(self, user: str) -> str:
        return user

    def is_gone(self, key: str) -> bool:
        return self._recent.is_forgotten and not self._recent.events


def _why_not(folder: Path, name: str) -> str:
    """Why an answer is not found: its day was deleted, or it was never kept here."""
    day, first = answer_log.day_in(name), answer_log.first_day(folder)
    if day is not None and (first is None or day < first):
        return (
            f"an answer can be traced as long as it is kept, but {name!r} is of {day} and the oldest that "
            f"are kept are of {first or 'no day'}: {ANSWERS_DAYS_VARIABLE} and {ANSWERS_MB_VARIABLE} of the "
            "service say how long."
        )
    return (
        f"an answer must have been kept to be traced, but {name!r} is not in {folder}: services "
        "that `encore serve` and `encore up` start keep theirs there, others where ENCORE_ANSWERS says."
    )


def _ask_again(answerer: Answerer, line: dict[str, Any]) -> tuple[list[str], list[float]]:
    """The same question, answered as it was then: by the model, or without it where that was late."""
    asked = line["request"]
    if (user := asked.get("user")) is not None:
        asked = {**asked, "user": _owner(user, answerer.bundle.user_keys)}
    query = answerer.translate(RecommendRequest(**asked))
    late = line.get("fallback") == "time-out"
    answer = answerer.without.instead_of(query) if late else answerer.answer([query])[0]
    return [each.item for each in answer.items], [each.score for each in answer.items]


def _owner(written: str, known: list[str]) -> str:
    """The user key of the bundle that the log wrote as `written`; itself where there is none."""
    users = user_keys()
    if not users.are_hashed or written in known:
        return written
    return next((key for key in known if users.stored(key) == written), written)


def _bundle_of(line: dict[str, Any], home: Home) -> Path | None:
    """The bundle that answered, best from its Bento; None where it is gone or was changed."""
    if line["bento"] is None:
        return bundle_with(home, line["bundle"])
    try:
        folder = bento.find(line["bento"], home.bentos) / "src" / "bundle"
    except ValueError:
        return None
    return folder if folder.is_dir() and bundle.digest(folder) == line["bundle"] else None
