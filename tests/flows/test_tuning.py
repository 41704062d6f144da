"""A study gives the same answer whether or not it was killed on the way, and may be shared."""

import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from flows.tuning import Attempt, Score, Tuned, TuningConfig, storage, tune
from models.recommender import Epoch
from models.space import Choice, Float, Int

SPACE = {"x": Float(0.0, 1.0), "rate": Float(1e-4, 1.0, log=True), "n": Int(1, 5), "way": Choice(("a", "b"))}
DEFAULTS = {"x": 0.5, "rate": 0.01, "n": 2, "way": "a"}


class Killed(BaseException):
    """The process is gone."""


def hill(attempt: Attempt) -> Score:
    """Best at x = 0.3, n = 4, way "b"; two epochs are reported on the way."""
    p = attempt.params
    value = 1 - (p["x"] - 0.3) ** 2 - 0.01 * abs(p["n"] - 4) + (p["way"] == "b") * 0.05
    for number in (1, 2, 3):
        attempt.report(
            Epoch(number, loss=1.0 / number, metric=value * number / 3, seconds=0.0, cpu_seconds=0.0)
        )
    return Score(value, epochs=3)


def run(journal: Path, objective=hill, trials: int = 10):
    config = TuningConfig(trials=trials, startup_trials=3, warmup_epochs=0)
    where = storage(None, journal)
    lock = journal.with_suffix(".lock")
    return tune("s", SPACE, objective, defaults=DEFAULTS, config=config, storage=where, seed=7, lock=lock)


def test_the_first_trial_uses_the_defaults(tmp_path):
    seen = []
    run(tmp_path / "s.journal", lambda attempt: seen.append(attempt.params) or Score(1.0), trials=1)
    assert seen == [DEFAULTS]


def test_every_family_gets_its_number_of_trials_pruned_ones_included(tmp_path):
    tuned = run(tmp_path / "s.journal")
    assert len(tuned.values) == 10
    assert tuned.metric == max(tuned.values)
    assert tuned.epochs == 3


def test_a_family_without_a_space_gets_one_trial(tmp_path):
    where = storage(None, tmp_path / "s.journal")
    tuned = tune(
        "s",
        {},
        lambda _: Score(0.4),
        defaults={},
        config=TuningConfig(),
        storage=where,
        seed=1,
        lock=tmp_path / "lock",
    )
    assert (tuned.params, tuned.metric, tuned.values) == ({}, 0.4, (0.4,))


@pytest.mark.parametrize("kills", [[0], [4], [2, 3, 9], [5, 5, 5]])
def test_a_study_killed_and_resumed_ends_like_one_that_was_not(tmp_path, kills):
    whole = run(tmp_path / "whole.journal")
    left = list(kills)

    def fragile(attempt: Attempt) -> Score:
        if left and attempt.index == left[0]:
            left.pop(0)
            attempt.report(Epoch(1, 1.0, 9.0, 0.0, 0.0))
            raise Killed
        return hill(attempt)

    for _ in kills:
        with pytest.raises(Killed):
            run(tmp_path / "cut.journal", fragile)
    assert run(tmp_path / "cut.journal", fragile) == whole


def test_a_journal_cut_in_its_last_line_is_mended(tmp_path):
    journal = tmp_path / "s.journal"
    run(journal, trials=3)
    whole = run(tmp_path / "whole.journal", trials=5)
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')
    (tmp_path / "s.journal.lock").symlink_to(journal)
    assert run(journal, trials=5) == whole


def test_a_metric_that_is_not_a_number_never_wins(tmp_path):
    tuned = run(tmp_path / "s.journal", lambda a: Score(float("nan") if a.index == 1 else 0.1), trials=3)
    assert tuned.index == 0


def test_pruned_trials_cannot_be_best(tmp_path):
    def prune_the_second(attempt: Attempt) -> Score:
        if attempt.index == 1:
            attempt.trial.report(9.0, 1)
            raise optuna.TrialPruned
        return Score(0.1 * attempt.index)

    assert run(tmp_path / "s.journal", prune_the_second, trials=3).index == 2


def ends_the_same_on(url: str, tmp_path: Path) -> bool:
    """Whether a study in the database at `url`, killed in its third trial, ends like one that was not."""
    whole = run(tmp_path / "whole.journal", trials=5)
    config = TuningConfig(trials=5, startup_trials=3, warmup_epochs=0)

    def killed_in_the_third(attempt: Attempt) -> Score:
        if attempt.index == 2:
            raise Killed
        return hill(attempt)

    def tuned(objective) -> Tuned:
        where, lock = storage(url, tmp_path / "unused"), tmp_path / "lock"
        return tune("s", SPACE, objective, defaults=DEFAULTS, config=config, storage=where, seed=7, lock=lock)

    with pytest.raises(Killed):
        tuned(killed_in_the_third)
    return tuned(hill) == whole and not (tmp_path / "unused").exists()


def test_a_study_in_sqlite_is_killed_resumed_and_ends_the_same(tmp_path):
    assert ends_the_same_on(f"sqlite:///{tmp_path / 'studies.db'}", tmp_path)


@pytest.mark.slow
def test_a_study_on_a_real_postgresql_server_is_killed_resumed_and_ends_the_same(postgres, tmp_path):
    assert ends_the_same_on(postgres, tmp_path)


def worker(folder: Path, url: str | None, patience: float) -> "subprocess.Popen[bytes]":
    """A process that works on the study of `sharing.py`."""
    words = [sys.executable, str(Path(__file__).with_name("sharing.py")), str(folder), str(patience)]
    return subprocess.Popen([*words, url or ""], cwd=Path(__file__).parents[2])


def wait_for(folder: Path, pattern: str, n: int) -> list[Path]:
    """The first `n` files that match."""
    while len(found := list(folder.glob(pattern))) < n:
        time.sleep(0.05)
    return found


def shared_on(url: str | None, folder: Path) -> None:
    """Two workers do eight trials, each once; one that is killed leaves its trial to the others."""
    lost = worker(folder, url, 600.0)
    began = wait_for(folder, f"began-*-{lost.pid}", 1)
    workers = [worker(folder, url, 0.2) for _ in range(2)]
    wait_for(folder, "ended-*", 3)
    lost.kill()
    lost.wait()
    assert [each.wait(120) for each in workers] == [0, 0]
    ended = [file.name.split("-") for file in folder.glob("ended-*")]
    assert sorted(int(place) for _, place, _ in ended) == list(range(8))
    assert {int(pid) for *_, pid in ended} == {each.pid for each in workers}
    assert began[0].name.split("-")[1] == "0", "the first one took the place with the defaults"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_processes_share_a_study_in_a_journal_and_one_is_killed(tmp_path):
    shared_on(None, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_processes_share_a_study_on_a_real_postgresql_server_and_one_is_killed(postgres, tmp_path):
    shared_on(postgres, tmp_path)
