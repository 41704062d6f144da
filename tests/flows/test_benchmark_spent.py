"""Spent: wall and processor seconds of a fit; a pause lengthens one of them, a kill loses neither."""

import time

import numpy as np
import pytest

from data.interactions import SECONDS_PER_DAY, Interactions
from flows.benchmark.fit import trained
from flows.benchmark.spent import Spent, Stopwatch
from models.learning.training import history_of
from models.recommender import Epoch, FitData
from models.tokenizers.code_table import CodeTable


class Run:
    """Takes what MLflow would."""

    def epoch(self, _):
        pass


class Killed(BaseException):
    """The process is gone."""


def planted(monkeypatch, wall, cpu):
    monkeypatch.setattr("flows.benchmark.spent.time.perf_counter", lambda: next(wall))
    monkeypatch.setattr("flows.benchmark.spent.time.process_time", lambda: next(cpu))


def test_what_was_spent_before_a_kill_is_added(monkeypatch):
    planted(monkeypatch, iter([100.0, 130.0]), iter([7.0, 12.0]))
    spent = Stopwatch([Epoch(0, 1.0, 0.1, 50.0, 20.0), Epoch(1, 1.0, 0.1, 60.0, 21.0)]).read()
    assert spent == Spent(wall=140.0, cpu=46.0)
    assert spent.to_json() == {"fit_seconds": 140.0, "fit_cpu_seconds": 46.0}


def test_a_pause_costs_the_clock_and_not_the_processor():
    watch = Stopwatch()
    time.sleep(0.3)
    spent = watch.read()
    assert spent.wall >= 0.3
    assert spent.cpu < 0.2


@pytest.fixture
def slow(monkeypatch):
    """Each epoch burns a tenth of a second of the processor and sleeps another."""
    from models.learning import training

    whole = training._one_epoch

    def then_burn(*arguments):
        until = time.process_time() + 0.1
        while time.process_time() < until:
            np.ones(1000).sum()
        time.sleep(0.1)
        return whole(*arguments)

    monkeypatch.setattr(training, "_one_epoch", then_burn)


@pytest.fixture
def fit_data():
    items = [[(start + step) % 9 for step in range(6)] for start in range(20)]
    events = Interactions.from_histories(items, [[day * SECONDS_PER_DAY for day in range(6)]] * 20)
    codes = CodeTable(np.arange(9, dtype=np.int64).reshape(9, 1), (9,))
    return FitData(events, 9, np.zeros((9, 2), dtype=np.float32), codes)


def test_a_killed_fit_goes_on_counting(fit_data, tmp_path, monkeypatch, slow):
    checkpoint, settings = tmp_path / "checkpoint.safetensors", {"epochs": 4, "d_model": 8}

    def fit():
        return trained(
            "ring · sasrec", "sasrec", settings, fit_data, seed=0, run=Run(), checkpoint=checkpoint
        )

    with monkeypatch.context() as killing:
        killing.setattr(
            Run, "epoch", lambda _, epoch: (_ for _ in ()).throw(Killed) if epoch.number == 2 else None
        )
        with pytest.raises(Killed):
            fit()
    before = history_of(checkpoint)
    assert len(before) == 3
    assert all(epoch.cpu_seconds >= 0.1 and epoch.seconds >= 0.2 for epoch in before)
    fitted, spent = fit()
    assert [e.cpu_seconds for e in fitted.history[:3]] == [e.cpu_seconds for e in before]
    assert spent.cpu >= sum(epoch.cpu_seconds for epoch in fitted.history) >= 0.4
    assert spent.wall >= sum(epoch.seconds for epoch in fitted.history) >= 0.8
    assert spent.cpu < spent.wall - 0.3  # it slept four times
