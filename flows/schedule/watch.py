"""Watch: look at the source; say so where something is new, or moved, since the last retraining."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from prefect import flow

from data.snapshot import Snapshot, open_snapshot
from flows.config import RunConfig, load
from flows.environment import Home, home
from flows.events import tell
from flows.files import read_json, write_json
from flows.record.last_run import LastRun, is_running, last_run
from flows.record.promotion import pointed
from flows.retraining.moved import since
from flows.tasks.drift import reference_of, write_page
from flows.tasks.ingest import ingest
from validation.drift.config import Level
from validation.drift.measures import level_of


class Finding(StrEnum):
    """What a look at the source calls for; the name of the event."""

    NOTHING = "nothing"
    NEW_DATA = "new-data"
    DRIFT = "drift"
    UNFINISHED = "unfinished"
    ALERT = "alert"


STARTS = (Finding.NEW_DATA, Finding.DRIFT, Finding.UNFINISHED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the source found.

    Attributes:
        finding: what it calls for; "alert" calls for a person, and nothing is started.
        reason: in words.
    """

    finding: Finding
    reason: str


@flow(name="watch", flow_run_name="watch {config_file}")
def watch(config_file: str) -> Seen:
    """Read the source and compare; what should start a retraining, or alarm somebody, becomes an event."""
    config, here = load(Path(config_file)), home()
    if is_running(here):
        return Seen(Finding.NOTHING, "A retraining is at work.")
    snapshot = open_snapshot(Path(ingest(config.source, here).path))
    seen = look(config, here, snapshot)
    told = {"snapshot": snapshot.digest, "finding": seen.finding}
    before = read_json(here.last_watch) if here.last_watch.exists() else None
    if seen.finding in STARTS or (
        seen.finding == Finding.ALERT and told != before
    ):  # one alarm, not one an hour
        tell(config.name, seen.finding, {"reason": seen.reason, "snapshot": snapshot.digest})
    write_json(here.last_watch, told)
    return seen


def look(config: RunConfig, here: Home, snapshot: Snapshot) -> Seen:
    """What a snapshot calls for, given the last retraining and the champion.

    The same data call for nothing twice: also those that were refused or failed are left alone until
    something is new. Drift needs a champion whose data are still there.
    """
    last = last_run(here)
    if last is not None and last.snapshot == snapshot.digest:
        if last.state == "running":
            return Seen(Finding.UNFINISHED, f"The run started {last.trigger} died.")
        return Seen(Finding.NOTHING, "The same data.")
    moved = _drift(config, here, snapshot)
    return moved if moved.finding != Finding.NOTHING else _volume(config, last, snapshot)


def _drift(config: RunConfig, here: Home, snapshot: Snapshot) -> Seen:
    release = pointed(here.pointer)
    before = None if release is None else reference_of(here, release.snapshot)
    if release is None or before is None or before.digest == snapshot.digest:
        return Seen(Finding.NOTHING, "Nothing to compare with.")
    measures = since(release, before, snapshot, here, config)
    level = level_of(measures)
    if level is Level.FINE:
        return Seen(Finding.NOTHING, "The data are like the champion's.")
    names = ", ".join(each.name for each in measures if each.level is level)
    page = write_page(here, before, snapshot, measures)
    finding = Finding.ALERT if level is Level.ALERT else Finding.DRIFT
    return Seen(finding, f"Moved since the champion: {names}. Page: {page}")


def _volume(config: RunConfig, last: LastRun | None, snapshot: Snapshot) -> Seen:
    n_events = snapshot.manifest.n_interactions
    new = n_events - (last.events if last is not None else 0)
    if 0 <= new < config.schedule.new_events:
        return Seen(Finding.NOTHING, f"{new:,} new events; {config.schedule.new_events:,} are worth a run.")
    return Seen(Finding.NEW_DATA, f"{new:+,} events since the last retraining, {n_events:,} in all.")
