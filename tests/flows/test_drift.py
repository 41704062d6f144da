"""Drift as a command and as a step that stops a retraining."""

import shutil

import pytest

from flows.ledger import Ledger

from .conftest import SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(finished, tmp_path_factory):
    """A home with a champion, to be changed."""
    copy = tmp_path_factory.mktemp("drift") / "home"
    shutil.copytree(finished.home, copy)
    return copy


def changed(home, name, *swaps):
    text = SMOKE.read_text()
    for before, after in swaps:
        assert before in text
        text = text.replace(before, after)
    path = home.parent / f"{name}.toml"
    path.write_text(text)
    return path


def said_by(encore, home, *arguments):
    process = encore(home, *map(str, arguments))
    said, _ = process.communicate(timeout=300)
    return process.returncode, " ".join(said.split())


def test_another_sample_of_the_same_people_is_fine(encore, home):
    code, said = said_by(
        encore, home, "drift", changed(home, "sample", ("repeats = 0.2", "repeats = 0.2\nseed = 1"))
    )
    assert (code, "Fine: the data looks like" in said) == (0, True), said


def test_data_that_moved_too_far_stops_the_retraining_before_it_learns(encore, home):
    moved = changed(home, "moved", ("repeats = 0.2", "repeats = 0.95"))
    code, said = said_by(encore, home, "drift", moved)
    assert (code, "Stop and look" in said) == (3, True), said
    entries = len(Ledger(f"sqlite:///{home / 'ledger.db'}").entries())
    code, said = said_by(encore, home, "retrain", moved)
    assert code == 1, said
    assert "moved too far in: " in said
    assert "repeats" in said
    assert not list(home.glob("work/split-valid-*.draft"))
    assert len(Ledger(f"sqlite:///{home / 'ledger.db'}").entries()) == entries
    assert list(home.glob("validation/*/drift.html"))


def test_without_a_champion_there_is_nothing_to_compare_with(encore, tmp_path):
    code, said = said_by(encore, tmp_path, "drift", SMOKE)
    assert (code, "needs a champion" in said) == (1, True), said
