"""Promotion: registry alias, ledger and serving pointer change together or not at all.

An intent file is written first and removed last. Every step between is idempotent, so whoever finds an intent
at the next start (`heal`) repeats the steps; only if the Bento is gone by then is the act undone.
"""

import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from flows.environment import Home
from flows.files import read_json, write_json
from flows.record.ledger import Action, Entry, Ledger
from flows.record.release import Release

ALIAS = "champion"


class Registry(Protocol):
    """Where names point to model versions."""

    def point(self, alias: str, version: str) -> None:
        """Make `alias` mean `version`; "" removes the alias."""
        ...


@dataclass(frozen=True, slots=True)
class Intent:
    """An act that has begun."""

    key: str
    when: int
    who: str
    action: Action
    before: Release | None
    after: Release | None
    verdict: dict[str, Any]
    reason: str


@dataclass(frozen=True)
class Promotions:
    """The three records of one project and the acts that move them.

    Attributes:
        home: where pointer and intent lie.
        ledger: the append-only record.
        registry: holds the alias `champion`.
    """

    home: Home
    ledger: Ledger
    registry: Registry

    def champion(self) -> Release | None:
        """What answers requests now; None before the first promotion."""
        return pointed(self.home.pointer)

    def promote(self, release: Release, *, who: str, verdict: dict[str, Any], reason: str) -> Release:
        """Make `release` the champion; to promote the champion again changes nothing.

        Args:
            release: a built and proven Bento.
            who: login name, for the ledger.
            verdict: the gate's findings.
            reason: one line for people.
        """
        self.heal()
        before = self.champion()
        if before is None or before.bento != release.bento:
            self._begin(_intent("promote", before, release, who, verdict, reason))
        return release

    def rollback(self, *, who: str, reason: str, to: str | None = None) -> Release:
        """Make an earlier champion answer again.

        Args:
            who: login name, for the ledger.
            reason: one line for people.
            to: tag of a Bento that was champion before, or the number of the act that made it champion; None
                for the one before the present one.

        Raises:
            ValueError: there is no such champion.
        """
        self.heal()
        before, entries = self.champion(), self.ledger.entries()
        past = self._past_champions()
        tag = _named(to, entries) if to is not None else _previous(entries, before)
        if tag is None or tag not in past or (before and before.bento == tag):
            known = ", ".join(name for name in past if not before or name != before.bento) or "none"
            raise ValueError(f"rollback needs an earlier champion, but got {tag}: choose one of {known}.")
        self._begin(_intent("rollback", before, past[tag], who, {}, reason))
        return past[tag]

    def refuse(self, release: Release, *, who: str, verdict: dict[str, Any], reason: str) -> None:
        """Record that `release` was turned down; nothing moves."""
        self.heal()
        intent = _intent("refuse", self.champion(), release, who, verdict, reason)
        self.ledger.append(_row(intent))

    def heal(self) -> str:
        """Finish or undo what a crash left half done; returns what was found.

        Returns:
            "nothing", "completed" or "undone".
        """
        if not self.home.intent.exists():
            return "nothing"
        intent = _read_intent(self.home.intent)
        if intent.after is not None and Path(intent.after.bundle_path).is_dir():
            self._finish(intent)
            return "completed"
        self._undo(intent)
        return "undone"

    def _begin(self, intent: Intent) -> None:
        write_json(self.home.intent, asdict(intent))
        self._finish(intent)

    def _finish(self, intent: Intent) -> None:
        self.ledger.append(_row(intent))
        self._move(intent.after)
        self.home.intent.unlink()

    def _move(self, release: Release | None) -> None:
        self.registry.point(ALIAS, release.version if release else "")
        if release is not None:
            self._remember(release)
            write_json(self.home.pointer, asdict(release))
        else:
            self.home.pointer.unlink(missing_ok=True)

    def _undo(self, intent: Intent) -> None:
        if self.ledger.find(intent.key):
            back = replace(
                intent,
                key=f"{intent.key}-undone",
                action="rollback",
                before=intent.after,
                after=intent.before,
                reason="undone after a crash: the bundle is gone",
            )
            self.ledger.append(_row(back))
        self._move(intent.before)
        self.home.intent.unlink()

    def _remember(self, release: Release) -> None:
        write_json(self._releases / f"{release.bento.replace(':', '@')}.json", asdict(release))

    @property
    def _releases(self) -> Path:
        return self.home.root / "releases"

    def _past_champions(self) -> dict[str, Release]:
        """Every release that was champion and still has its bundle, by tag."""
        files = sorted(self._releases.glob("*.json")) if self._releases.is_dir() else []
        releases = [Release(**read_json(file)) for file in files]
        return {each.bento: each for each in releases if Path(each.bundle_path).is_dir()}


def pointed(pointer: Path) -> Release | None:
    """The release that a pointer file names; None if there is no such file."""
    return Release(**read_json(pointer)) if pointer.exists() else None


def _named(to: str, entries: list[Entry]) -> str:
    """The tag that is meant; a number is that of an act in the ledger."""
    if not to.isdecimal():
        return to
    return next((each.to_bento for each in entries if each.seq == int(to) and each.action != "refuse"), to)


def _previous(entries: list[Entry], champion: Release | None) -> str | None:
    """Tag that answered before the champion did, walking back over rollbacks."""
    line: list[str] = []
    for entry in entries:
        if entry.action == "promote":
            line.append(entry.to_bento)
        elif entry.action == "rollback" and entry.to_bento in line:
            del line[len(line) - line[::-1].index(entry.to_bento) :]
    return line[-2] if champion is not None and len(line) > 1 else None


def _intent(
    action: Action,
    before: Release | None,
    after: Release,
    who: str,
    verdict: dict[str, Any],
    reason: str,
) -> Intent:
    return Intent(uuid.uuid4().hex, int(time.time()), who, action, before, after, verdict, reason)


def _read_intent(path: Path) -> Intent:
    values = read_json(path)
    for side in ("before", "after"):
        values[side] = None if values[side] is None else Release(**values[side])
    return Intent(**values)


def _row(intent: Intent) -> Entry:
    after = intent.after
    return Entry(
        intent=intent.key,
        when=intent.when,
        who=intent.who,
        action=intent.action,
        from_bento=intent.before.bento if intent.before else "",
        to_bento=after.bento if after else "",
        bundle=after.bundle if after else "",
        version=after.version if after else "",
        run_id=after.run_id if after else "",
        snapshot=after.snapshot if after else "",
        generation=after.generation if after else "",
        verdict=intent.verdict,
        reason=intent.reason,
    )
