"""The committed result of the default run is inside its limits, and the README tells the same numbers."""

import json
import logging
from pathlib import Path

import pytest

from benchmarks.retrain_cost import Steps, Stopwatch

ROOT = Path(__file__).resolve().parents[2]
RESULT = json.loads((ROOT / "benchmarks" / "results" / "retrain_cost.json").read_text())
HOUSEHOLDS_OWN_BY_RECENCY = {"recall@10": 0.227, "ndcg@10": 0.214, "hit@10": 0.589}


def test_the_default_run_is_inside_its_limits():
    limits = RESULT["limits"]
    assert RESULT["minutes"] <= limits["minutes"]
    assert RESULT["peak_gib"] <= limits["gib"]
    assert RESULT["upkeep_share"] <= limits["upkeep_share"]


def test_the_champion_is_above_the_recency_weighted_repeats():
    assert RESULT["ending"] == "promoted"
    champion = next(line for line in RESULT["families"] if line["name"] == RESULT["challenger"])
    for metric, floor in HOUSEHOLDS_OWN_BY_RECENCY.items():
        assert champion["test"][metric]["mean"] > floor


@pytest.mark.parametrize("line", RESULT["families"], ids=lambda line: line["name"])
def test_the_readme_tells_the_committed_numbers(line):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [row] = [row for row in readme.splitlines() if row.strip("|* ").startswith(line["name"])]
    for metric in HOUSEHOLDS_OWN_BY_RECENCY:
        found = line["test"][metric]
        assert f"{found['mean']:.4f} [{found['low']:.4f}, {found['high']:.4f}]" in row


def test_steps_are_read_from_what_the_flow_logs():
    steps = Steps()
    said = "event=step_done step=tune sasrec seconds=12.5 path=x"
    steps.emit(logging.LogRecord("flows.steps", logging.INFO, "", 0, said, None, None))
    assert steps.seconds == {"tune sasrec": 12.5}


def test_calls_within_calls_are_counted_once(monkeypatch):
    clock = iter([0.0, 1.0, 4.0])  # outer begins, inner begins, outer ends; the inner end is not read
    watch = Stopwatch()
    monkeypatch.setattr("benchmarks.retrain_cost.time.perf_counter", lambda: next(clock))
    watch.wrap(lambda: watch.wrap(lambda: None)())()
    assert watch.seconds == 4.0
