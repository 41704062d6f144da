"""The audit passes an honest window and stops a run whose learning looked ahead."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from data.snapshot import write_snapshot
from data.sources import load as load_source
from flows.config import load
from flows.environment import Home
from flows.steps import Artefact
from flows.tasks import audit as audit_task
from flows.tasks.audit import LeakFound, audit
from flows.tasks.split import split
from flows.tasks.tokenizer import fit_tokenizer

from .conftest import SMOKE


@dataclass(frozen=True)
class Place:
    """What the audit needs of a context."""

    home: Home
    config: object


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, object]:
    config = load(SMOKE)
    place = Place(Home(tmp_path), config)
    snapshot = write_snapshot(load_source(config.source), place.home.snapshots)
    given = Artefact(str(snapshot.path), snapshot.digest)
    window = split.fn(run=place, snapshot=given, name="valid", windows=config.windows, filters=config.filters)
    learning = {"encoder": config.encoder, "tokenizer": config.tokenizer, "served": None, "champion": None}
    learning |= {"seed": 0, "threads": 1}
    codes = fit_tokenizer.fn(run=place, name="valid", window=window, **learning)
    return {
        "run": place,
        "name": "valid",
        "snapshot": given,
        "window": window,
        "codes": codes,
        "filters": config.filters,
        **learning,
    }


def test_an_honest_window_passes(asked):
    assert audit.fn(**asked).file("audit.json").is_file()


def test_a_window_that_was_cut_too_late_stops_the_run(asked, monkeypatch):
    def later(run, window):
        honest = held_out(run, window)
        return replace(honest, protocol=replace(honest.protocol, cutoff=honest.protocol.cutoff - 7_200))

    held_out = audit_task.open_window
    monkeypatch.setattr(audit_task, "open_window", later)
    with pytest.raises(LeakFound, match="window valid: training events must be before the cut-off"):
        audit.fn(**asked)
    assert not list((asked["run"].home.work).glob("audit-valid-????????????????"))


def test_a_tokenizer_that_reads_the_targets_stops_the_run(asked, monkeypatch):
    def peeking(window, *settings, **more):
        codes = honest(window, *settings, **more)
        moved = codes.tokenizer.codebooks + np.float32(window.target.sum())
        return replace(codes, tokenizer=replace(codes.tokenizer, codebooks=moved))

    honest = audit_task.codes_for
    monkeypatch.setattr(audit_task, "codes_for", peeking)
    with pytest.raises(
        LeakFound, match=r"nothing learned may depend on later events, but 'tokenizer\.codebooks' does"
    ):
        audit.fn(**asked)
