"""All stores of a finished run agree, and each way in which they may not is found."""

import shutil

import pytest

from flows.environment import Home
from flows.files import read_json, write_json
from flows.record.doctor import examine

pytestmark = pytest.mark.slow


@pytest.fixture
def home(finished, tmp_path):
    """A copy of a home in which a champion serves; its bundle and Bento are those of the original."""
    (tmp_path / "home").mkdir()
    for name in ("serving.json", "ledger.db", "mlflow.db"):
        shutil.copy(finished.home / name, tmp_path / "home" / name)
    (tmp_path / "home" / "bentoml").symlink_to(finished.home / "bentoml")
    return Home(tmp_path / "home")


@pytest.fixture(autouse=True)
def own_bentos(monkeypatch):
    monkeypatch.delenv("BENTOML_HOME", raising=False)


def health(home):
    return {each.what: each.health for each in examine(home)}


def test_a_finished_run_leaves_everything_in_order(finished, encore):
    process = encore(finished.home, "doctor")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    found = health(Home(finished.home))
    assert set(found) >= {
        "promotion",
        "ledger",
        "pointer",
        "registry",
        "bundle",
        "bento",
        "ledger.db",
        "mlflow.db",
    }
    assert set(found.values()) == {"fine"}
    assert all(name in said for name in found)


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({"bundle_path": "/nowhere"}, {"bundle"}),
        ({"bundle": "0" * 64}, {"bundle"}),
        ({"version": "99"}, {"registry"}),
        ({"bento": "recommender:another"}, {"pointer", "bento"}),
    ],
)
def test_what_does_not_agree_is_named(home, changed, broken):
    write_json(home.pointer, read_json(home.pointer) | changed)
    found = health(home)
    assert {what for what, is_ in found.items() if is_ == "broken"} == broken


def test_no_pointer_with_a_champion_in_the_ledger(home):
    home.pointer.unlink()
    found = health(home)
    assert (found["pointer"], found["registry"]) == ("broken", "broken")
    assert "bundle" not in found


def test_what_a_crash_left_half_done_heals(home):
    write_json(home.pointer, read_json(home.pointer) | {"version": "99", "bento": "recommender:another"})
    write_json(home.intent, {})
    found = health(home)
    assert {found[name] for name in ("promotion", "pointer", "registry")} == {"heals"}
