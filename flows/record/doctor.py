"""Doctor: do the stores of a project agree on who is champion, and is everything there that it needs?"""

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows.environment import Home
from flows.record.ledger import Entry, Ledger
from flows.record.promotion import ALIAS, pointed
from flows.record.release import Release
from flows.tracking.tracker import Tracker
from models import bundle
from serving import bento

MIN_FREE_BYTES = 2 * 2**30
Health = Literal["fine", "heals", "broken"]
HEALED = "the next retrain, promote or rollback finishes or undoes it"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        health: fine; heals, by the next command; or broken, which takes a person.
        words: what was found, and what to do where something is broken.
    """

    what: str
    health: Health
    words: str


def examine(home: Home) -> list[Finding]:
    """Look at ledger, pointer, registry, bundle, Bento, databases and disk; changes nothing."""
    release, entries = pointed(home.pointer), Ledger(home.ledger_url).entries()
    pending = home.intent.exists()
    found = [_promotion(home, pending), _line(entries), _ledger_and_pointer(entries, release, pending)]
    found.append(_registry(home, release, pending))
    if release is not None:
        found += [_bundle(release), _bento(release, home)]
    return [*found, *_databases(home), _leftovers(home), _disk(home)]


def _promotion(home: Home, pending: bool) -> Finding:
    if pending:
        return Finding("promotion", "heals", f"half done, see {home.intent}; {HEALED}.")
    return Finding("promotion", "fine", "none half done.")


def _line(entries: list[Entry]) -> Finding:
    """Each act must begin where the one before it ended."""
    champion = ""
    for entry in entries:
        if entry.from_bento != champion:
            words = f"act {entry.seq} begins at {entry.from_bento!r}, but {champion!r} answered then."
            return Finding("ledger", "broken", f"{words} Restore the ledger's database from a backup.")
        champion = champion if entry.action == "refuse" else entry.to_bento
    return Finding("ledger", "fine", f"{len(entries)} acts, each begins where the one before ended.")


def _ledger_and_pointer(entries: list[Entry], release: Release | None, pending: bool) -> Finding:
    acts = [entry for entry in entries if entry.action != "refuse"]
    recorded, serving = acts[-1].to_bento if acts else "", release.bento if release else ""
    if recorded == serving:
        return Finding("pointer", "fine", f"as in the ledger: {serving or 'no champion yet'}.")
    words = f"serves {serving!r}, but the ledger says {recorded!r}"
    return _differs("pointer", words, pending, "Next: encore rollback --to TAG --reason '...'")


def _registry(home: Home, release: Release | None, pending: bool) -> Finding:
    version, wanted = Tracker.at(home).pointed(ALIAS), release.version if release else ""
    if version == wanted:
        return Finding("registry", "fine", f"alias {ALIAS}: version {version or 'none'}.")
    words = f"alias {ALIAS} is version {version or 'none'}, but version {wanted or 'none'} serves"
    return _differs("registry", words, pending, "Point it there in MLflow, or restore MLflow's database.")


def _differs(what: str, words: str, pending: bool, advice: str) -> Finding:
    """Two records disagree: on the way from one champion to the next, or for good."""
    if pending:
        return Finding(what, "heals", f"{words}; {HEALED}.")
    return Finding(what, "broken", f"{words}. {advice}")


def _bundle(release: Release) -> Finding:
    folder = Path(release.bundle_path)
    if not folder.is_dir():
        return Finding("bundle", "broken", f"{folder} is gone: restore it, or roll back to another champion.")
    if bundle.digest(folder) != release.bundle:
        return Finding("bundle", "broken", f"{folder} was changed: restore it, or roll back.")
    return Finding("bundle", "fine", f"{release.bundle[:12]}, unchanged since it was proven.")


def _bento(release: Release, home: Home) -> Finding:
    try:
        bento.find(release.bento, home.bentos)
    except ValueError as error:
        return Finding("bento", "broken", f"{error} Next: encore retrain, which builds it again.")
    return Finding("bento", "fine", f"{release.bento} is in the store.")


def _databases(home: Home) -> Iterator[Finding]:
    """SQLite files of the home; a database server looks after itself."""
    for path in sorted(home.root.glob("*.db")):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            (said,) = connection.execute("PRAGMA quick_check").fetchone()
        health: Health = "fine" if said == "ok" else "broken"
        yield Finding(path.name, health, "whole." if said == "ok" else f"{said}: restore it from a backup.")


def _leftovers(home: Home) -> Finding:
    drafts = list(home.work.glob("*.draft")) if home.work.is_dir() else []
    words = f"{len(drafts)} unfinished, which the next run continues." if drafts else "none unfinished."
    return Finding("steps", "heals" if drafts else "fine", words)


def _disk(home: Home) -> Finding:
    free = shutil.disk_usage(home.root).free
    health: Health = "fine" if free > MIN_FREE_BYTES else "broken"
    words = f"{free / 2**30:,.1f} GiB free"
    needed = "" if health == "fine" else f"; a run needs {MIN_FREE_BYTES / 2**30:g}: make room."
    return Finding("disk", health, words + (needed or "."))
