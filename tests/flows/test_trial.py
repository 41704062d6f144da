"""The report of a trial on planted answers and events, and what may be a challenger at all."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from data.catalogue import Catalogue
from data.event_store.users import UserKeys
from data.interactions import Interactions
from data.snapshot import Snapshot, write_snapshot
from data.tables import Tables
from flows.commands.trial import remarks, sentence, table_of
from flows.config import ConfigError
from flows.environment import Home
from flows.record.ledger import Entry, Ledger
from flows.record.release import Release
from flows.trial.answers import TrialAnswers, read_trial
from flows.trial.challenger import config_of, packed
from flows.trial.report import TrialReport, newest_snapshot, report
from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle, save
from serving.trial.config import TrialConfig
from validation.gates.rules import GateConfig
from validation.gates.verdict import Outcome

DAY = 86_400
ASKED = 1_764_072_000  # 2025-11-25 12:00 UTC
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
GATE = GateConfig(min_users=20, resamples=500)


def line(number: int, mode: str, user: str | None, items: str, **tried: object) -> str:
    arm = tried.pop("arm", "champion")
    request = {"history": ["x"]} if user is None else {"user": user}
    kept = {"mode": mode, "champion": "c" * 64, "challenger": "d" * 64, "arm": arm, "assigned": arm}
    kept |= {"latency_ms": 10.0, **tried}
    value = {"id": f"20251125-{number}", "when": ASKED, "bundle": "", "bento": None, "request": request}
    return json.dumps({**value, "items": list(items), "scores": [], "trial": kept}) + "\n"


def mirrored(number: int, items: str) -> str:
    value = {"of": f"20251125-{number}", "when": ASKED + 1, "items": list(items), "latency_ms": 20.0}
    return json.dumps(value if items else {"of": value["of"], "when": ASKED, "error": "late"}) + "\n"


def snapshot(folder: Path, bought: dict[str, str], last: int = ASKED + 2 * DAY) -> Snapshot:
    """Users bought an item an hour after they asked; the newest event is somebody else's."""
    rows = [(user, item, ASKED + 3600) for user, item in bought.items()] + [("last", "z", last)]
    events = pl.DataFrame(rows, schema=["user_key", "item_key", "timestamp"], orient="row")
    events = events.with_columns(position=pl.int_range(pl.len(), dtype=pl.Int64))
    items = pl.DataFrame({"item_key": sorted(set(events["item_key"])), "title": "t"})
    return write_snapshot(Tables(events, items, ("title",), "planted"), folder)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "answers").mkdir()
    return Home(tmp_path)


def judged(home: Home, bought: dict[str, str], **options: int) -> tuple[TrialAnswers, TrialReport]:
    answers = read_trial(home.answers)
    data = snapshot(home.snapshots, bought, **options)
    return answers, report(answers, data, k=2, days=1, gate=GATE)


def keep(home: Home, answers: list[str], seen: tuple[str, ...] | list[str] = ()) -> None:
    (home.answers / "answers-2025-11-25.jsonl").write_text("".join(answers))
    (home.answers / "mirrored-2025-11-25.jsonl").write_text("".join(seen))


def canary(home: Home) -> None:
    """30 users of the champion get "ab", 20 of the challenger "cd", one of them after a failure "ab"."""
    answers = [line(number, "canary", f"a{number}", "ab") for number in range(30)]
    for number in range(20):
        error = {"error": "late", "latency_ms": 1000.0} if number == 0 else {"latency_ms": 30.0}
        items = "ab" if number == 0 else "cd"
        answers.append(line(100 + number, "canary", f"b{number}", items, arm="challenger", **error))
    answers.append(line(200, "canary", None, "ab"))
    answers.append(line(201, "canary", "new", "cd", arm="challenger", assigned=None))
    keep(home, answers)


def test_hit_rates_of_a_canary_are_those_that_were_planted(home: Home) -> None:
    canary(home)
    bought = {f"a{number}": "b" for number in range(3)}  # 3 of 30 hit
    bought |= {f"b{number}": "c" for number in range(11)}  # b0 saw "ab", so 10 of 20 hit
    answers, found = judged(home, bought)
    assert found.verdict.champion.mean == pytest.approx(3 / 30)
    assert found.verdict.challenger.mean == pytest.approx(10 / 20)
    assert (found.verdict.champion.n_users, found.verdict.challenger.n_users) == (30, 20)
    assert found.verdict.outcome == Outcome.BETTER
    ours, theirs = found.counts["champion"], found.counts["challenger"]
    assert (ours.answers, ours.by_history, theirs.answers, theirs.errors) == (31, 1, 20, 1)
    assert (ours.p50_ms, theirs.p50_ms) == (10, 30)
    assert theirs.p99_ms == pytest.approx(1000 - 0.19 * 970)  # the 18.81st of 20, from 30 to 1000
    assert (answers.n_one_arm, found.overlap) == (1, None)


def test_users_that_the_log_has_hashed_are_found_in_plain_data(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = UserKeys("a secret of some length")
    keep(
        home,
        [line(number, "canary", users.stored(f"a{number}"), "ab") for number in range(20)]
        + [
            line(30 + number, "canary", users.stored(f"b{number}"), "cd", arm="challenger")
            for number in range(20)
        ],
    )
    bought = {"a0": "a", "b0": "c", "b1": "d"}  # 1 of 20 hit, and 2 of 20
    assert judged(home, bought)[1].verdict.champion.mean == 0
    monkeypatch.setenv("ENCORE_USER_SALT", "a secret of some length")
    verdict = judged(home, bought)[1].verdict
    assert (verdict.champion.mean, verdict.challenger.mean) == (1 / 20, 2 / 20)


def test_a_challenger_whose_users_stay_away_is_worse(home: Home) -> None:
    canary(home)
    assert judged(home, {f"a{number}": "a" for number in range(25)})[1].verdict.outcome == Outcome.WORSE


def test_answers_that_are_too_young_are_not_judged(home: Home) -> None:
    canary(home)
    _, found = judged(home, {"a0": "a"}, last=ASKED + DAY - 1)
    assert found.verdict.outcome == Outcome.NOT_ENOUGH_EVIDENCE
    assert found.verdict.champion.n_users == 0
    assert (found.counts["champion"].too_new, found.counts["challenger"].too_new) == (30, 20)
    assert sentence(found.verdict, GATE) == "0 users in the smaller arm can be judged, 20 are needed."


def test_a_shadow_is_compared_on_the_answers_that_both_have(home: Home) -> None:
    """40 answers: 30 were seen, "ac" against "ab"; one failed; nine were not seen."""
    answers = [line(number, "shadow", f"a{number}", "ab") for number in range(40)]
    keep(home, answers, [*(mirrored(number, "ac") for number in range(30)), mirrored(30, "")])
    bought = {f"a{number}": "c" for number in range(15)} | {f"a{number}": "b" for number in range(30, 40)}
    answers_, found = judged(home, bought)
    assert (found.verdict.champion.mean, found.verdict.challenger.mean) == (0.0, 0.5)  # 15 of 30
    assert found.verdict.outcome == Outcome.BETTER
    assert found.overlap == 0.5  # a of a, b and a, c
    theirs = found.counts["challenger"]
    assert (theirs.answers, theirs.errors, theirs.p50_ms) == (30, 1, 20)
    said = remarks(answers_, found, newest_snapshot(home, like=""), days=1)
    assert len(said) == 2  # where the data are from, and:
    assert said[1].startswith("9 answers the shadow did not see")


def test_the_report_reads_well(home: Home) -> None:
    canary(home)
    answers, found = judged(home, {"a0": "a", "b1": "d"})
    console = Console(width=110, record=True)
    console.print(table_of(answers, found, 2, 1))
    text = " ".join(console.export_text().split())
    assert "champion cccccccccccc challenger dddddddddddd" in text
    assert "hit rate@2 0.0333 [" in text
    assert "failed or late see /metrics 1" in text
    said = remarks(answers, found, newest_snapshot(home, like=""), days=1)
    assert "1 answers by history have no user key: no event can be joined to them." in said
    assert "1 answers went to users whom one arm only knows: not compared." in said


def test_the_newest_trial_is_reported_unless_another_is_named(home: Home) -> None:
    old = line(1, "canary", "ann", "ab").replace("d" * 64, "e" * 64).replace(str(ASKED), str(ASKED - 5))
    keep(home, [old, line(2, "shadow", "ann", "ab")])
    assert (read_trial(home.answers).mode, read_trial(home.answers).n_trials) == ("shadow", 2)
    assert read_trial(home.answers, "eee").mode == "canary"
    with pytest.raises(ValueError, match=r"answers of a trial of a challenger fff.*has none: serve one"):
        read_trial(home.answers, "fff")


def test_the_newest_snapshot_of_the_source_is_read(home: Home) -> None:
    first = snapshot(home.snapshots, {}, last=ASKED)
    second = snapshot(home.snapshots, {}, last=ASKED + 1)
    manifest = home.snapshots / second.path.name / "manifest.json"
    assert newest_snapshot(home, like=first.digest).digest == second.digest
    manifest.write_text(manifest.read_text().replace('"planted"', '"another"'))
    assert newest_snapshot(home, like=first.digest).digest == first.digest
    assert newest_snapshot(home, like="gone").digest == second.digest


def test_the_way_of_a_trial_is_said_once() -> None:
    assert config_of(shadow=True, canary=None, settings=None) == TrialConfig(mode="shadow")
    both = config_of(shadow=False, canary=0.25, settings=CONFIGS / "trial.toml")
    assert both == TrialConfig(mode="canary", share=0.25)  # the file holds the defaults
    for shadow, canary_ in ((False, None), (True, 0.1)):
        with pytest.raises(ValueError, match=r"tried one way, but got (neither|both): give --shadow or"):
            config_of(shadow=shadow, canary=canary_, settings=None)


def test_a_mistake_in_the_settings_names_the_file_and_the_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[revert]\nmax_eror_share = 0.1\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: revert\.max_eror_share: Extra inputs"):
        config_of(shadow=True, canary=None, settings=file)
    with pytest.raises(ConfigError, match=r"--canary: share: Input should be less than or equal to 1"):
        config_of(shadow=False, canary=10, settings=None)


def bundle_in(folder: Path, *scores: float) -> str:
    """A bundle of three items; its digest."""
    frame = pl.DataFrame({"item_key": ["a", "b", "c"], "title": ["a", "b", "c"]})
    model = Popularity(PopularityConfig(), np.array(scores, dtype=np.float32))
    users = Interactions.from_histories([[0]])
    return save(Bundle(model, Catalogue(frame, ("title",)), ["ann"], users, {}), folder)


def bento_in(home: Home, version: str, *scores: float) -> Release:
    """What looks like a Bento of this version, and the release of it."""
    folder = home.bentos / "bentos" / "recommender" / version
    (folder / "src" / "serving").mkdir(parents=True)
    (folder / "src" / "serving" / "trial.py").touch()
    (folder / "bento.yaml").write_text(f"service: x\nname: recommender\nversion: {version}\n")
    path = folder / "src" / "bundle"
    return Release(
        f"recommender:{version}", bundle_in(path, *scores), str(path), "", "popularity", "", "", ""
    )


@pytest.fixture
def shop(home: Home, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, Release, Release]:
    """A champion and a challenger that the ledger refused as act 1."""
    monkeypatch.delenv("BENTOML_HOME")
    champion, other = bento_in(home, "v1", 3, 2, 1), bento_in(home, "v2", 1, 2, 3)
    entry = Entry("i", 0, "ada", "refuse", champion.bento, "", other.bundle, "", "run", "s", "g", {}, "worse")
    Ledger(home.ledger_url).append(entry)
    return home, champion, other


def test_a_challenger_is_named_by_tag_act_digest_or_folder(shop: tuple[Home, Release, Release]) -> None:
    home, champion, other = shop
    expected = home.bentos / "bentos" / "recommender" / "v2"
    for wanted in ("recommender:v2", "1", other.bundle[:8], str(expected), other.bundle_path):
        assert packed(home, wanted, champion) == expected


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("recommender:none", "has no 'recommender:none': build it first"),
        ("7", "a challenger must be the tag of a Bento, an act's number or .* but got '7'"),
        ("recommender:v1", "a challenger must be another bundle than the champion, but both are"),
    ],
)
def test_what_cannot_be_a_challenger_is_told(
    shop: tuple[Home, Release, Release], wanted: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        packed(shop[0], wanted, shop[1])


def test_a_damaged_challenger_is_refused_before_anything_starts(shop: tuple[Home, Release, Release]) -> None:
    home, champion, other = shop
    (Path(other.bundle_path) / "users.json").write_text("[]")
    with pytest.raises(ValueError, match="the files must match the recorded digest"):
        packed(home, "recommender:v2", champion)


def test_a_challenger_that_is_gone_is_told(shop: tuple[Home, Release, Release]) -> None:
    home, champion, other = shop
    shutil.rmtree(Path(other.bundle_path).parents[1])
    with pytest.raises(ValueError, match="name one that is still on disk"):
        packed(home, "1", champion)


def test_a_champion_from_before_trials_must_be_packed_anew(shop: tuple[Home, Release, Release]) -> None:
    home, champion, _ = shop
    (Path(champion.bundle_path).parent / "serving" / "trial.py").unlink()
    with pytest.raises(ValueError, match="must know trials, but recommender:v1 was built before"):
        packed(home, "1", champion)
