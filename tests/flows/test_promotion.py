"""Alias, ledger and pointer move together, whatever is killed when."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flows.environment import Home
from flows.record.ledger import Ledger
from flows.record.promotion import ALIAS, Promotions
from flows.record.release import Release


@dataclass
class Aliases:
    """A registry that is one dict."""

    versions: dict[str, str] = field(default_factory=dict)

    def point(self, alias: str, version: str) -> None:
        self.versions[alias] = version


class Crash(BaseException):
    """The process is gone: nothing below may catch this."""


@pytest.fixture
def promotions(tmp_path: Path) -> Promotions:
    return Promotions(Home(tmp_path), Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), Aliases())


def release(folder: Path, number: int) -> Release:
    bundle = folder / f"bundle-{number}"
    bundle.mkdir(exist_ok=True)
    return Release(f"encore:{number}", f"d{number}", str(bundle), str(number), "sasrec", "r", "s", "g")


def promote(promotions: Promotions, number: int) -> Release:
    wanted = release(promotions.home.root, number)
    return promotions.promote(wanted, who="ada", verdict={"passed": True}, reason="better")


def state(promotions: Promotions) -> tuple[str, str, str]:
    """What each of the three records says: bento of the pointer, version of the alias, last ledger row."""
    champion = promotions.champion()
    versions = promotions.registry.versions
    entries = promotions.ledger.entries()
    return (champion.bento if champion else "", versions.get(ALIAS, ""), entries[-1].to_bento)


def test_a_promotion_moves_all_three(promotions):
    promote(promotions, 1)
    promote(promotions, 2)
    assert state(promotions) == ("encore:2", "2", "encore:2")
    assert [row.from_bento for row in promotions.ledger.entries()] == ["", "encore:1"]
    assert not promotions.home.intent.exists()


def test_to_promote_the_champion_again_changes_nothing(promotions):
    promote(promotions, 1)
    promote(promotions, 1)
    assert len(promotions.ledger.entries()) == 1


def test_rollback_returns_to_the_champion_before(promotions):
    for number in (1, 2, 3):
        promote(promotions, number)
    promotions.rollback(who="ada", reason="complaints")
    assert state(promotions) == ("encore:2", "2", "encore:2")
    promotions.rollback(who="ada", reason="still")  # before 2 there was 1, not 3
    assert state(promotions) == ("encore:1", "1", "encore:1")


@pytest.mark.parametrize("to", ["encore:1", "1"])
def test_rollback_goes_to_a_tag_or_to_a_number_of_the_history(promotions, to):
    for number in (1, 2, 3):
        promote(promotions, number)
    promotions.rollback(who="ada", reason="complaints", to=to)
    assert state(promotions) == ("encore:1", "1", "encore:1")


@pytest.mark.parametrize("to", ["9", "3", "2"])
def test_rollback_to_no_earlier_champion_says_what_there_is(promotions, to):
    promote(promotions, 1)
    promotions.refuse(release(promotions.home.root, 5), who="ada", verdict={}, reason="worse")  # act 2
    promote(promotions, 2)  # act 3, the present champion
    with pytest.raises(ValueError, match=r"earlier champion, but got .*: choose one of encore:1"):
        promotions.rollback(who="ada", reason="typo", to=to)
    assert state(promotions)[0] == "encore:2"


def test_rollback_without_a_past_says_what_there_is(promotions):
    promote(promotions, 1)
    with pytest.raises(ValueError, match="needs an earlier champion, but got None: choose one of none"):
        promotions.rollback(who="ada", reason="no reason")


def test_a_refusal_is_recorded_and_moves_nothing(promotions):
    promote(promotions, 1)
    promotions.refuse(release(promotions.home.root, 2), who="ada", verdict={}, reason="worse")
    assert promotions.champion().bento == "encore:1"
    assert promotions.ledger.entries()[-1].action == "refuse"


def _crash(*_: object) -> None:
    raise Crash


@pytest.mark.parametrize("target", ["append", "point", "_remember", "unlink"])
@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_crash_between_any_two_steps_is_completed_at_the_next_start(promotions, monkeypatch, target, act):
    promote(promotions, 1)
    if act == "rollback":
        promote(promotions, 2)
    owner = {"append": Ledger, "point": Aliases, "_remember": Promotions, "unlink": Path}[target]
    with monkeypatch.context() as patch:
        patch.setattr(owner, target, _crash)
        with pytest.raises(Crash):
            promote(promotions, 2) if act == "promote" else promotions.rollback(who="ada", reason="x")
    assert promotions.heal() == "completed"
    wanted = "2" if act == "promote" else "1"
    assert state(promotions) == (f"encore:{wanted}", wanted, f"encore:{wanted}")
    assert promotions.heal() == "nothing"
    rows = promotions.ledger.entries()
    assert len({row.intent for row in rows}) == len(rows) == (2 if act == "promote" else 3)


@pytest.mark.parametrize("target", ["append", "point", "_remember"])
def test_a_crash_is_undone_when_the_bundle_is_gone(promotions, monkeypatch, target):
    promote(promotions, 1)
    owner = {"append": Ledger, "point": Aliases, "_remember": Promotions}[target]
    with monkeypatch.context() as patch:
        patch.setattr(owner, target, _crash)
        with pytest.raises(Crash):
            promote(promotions, 2)
    (promotions.home.root / "bundle-2").rmdir()
    assert promotions.heal() == "undone"
    assert state(promotions) == ("encore:1", "1", "encore:1")
