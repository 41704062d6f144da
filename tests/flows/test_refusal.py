"""What refuses: a gate that nobody passes, data that moved too far, too many new codes; and who overrules."""

import functools
import json
import time
import urllib.request
from pathlib import Path

import pytest

from flows.record.ledger import Ledger

from .conftest import SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MOVING = "valid_days = 1\ntest_days = 1\n"  # cut-offs that move with the data


@pytest.fixture(scope="module")
def encore(encore, server):
    """All of them on one Prefect server: starting one takes longer than some of these runs."""
    return functools.partial(encore, PREFECT_API_URL=server)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home for all of this file; the tests follow each other as nights do."""
    return tmp_path_factory.mktemp("refusal") / "home"


def changed(home, name, *swaps):
    """The smoke run with parts of its text replaced."""
    text = SMOKE.read_text()
    for before, after in swaps:
        assert before in text
        text = text.replace(before, after)
    path = home.parent / f"{name}.toml"
    path.write_text(text)
    return path


def strict(home, name="strict", *swaps):
    """The smoke run with a gate that nobody passes."""
    text = SMOKE.read_text()
    windows = text[text.index("valid_cutoff") : text.index("[filters]")]
    return changed(home, name, (windows, MOVING), ("min_users = 50", "min_users = 100000"), *swaps)


def said_by(encore, home, *arguments):
    process = encore(home, *map(str, arguments))
    said, _ = process.communicate(timeout=400)
    return process.returncode, " ".join(said.split())


def entries(home):
    return Ledger(f"sqlite:///{home / 'ledger.db'}").entries()


def test_without_a_champion_there_is_nothing_to_compare_with(encore, home):
    code, said = said_by(encore, home, "drift", SMOKE)
    assert (code, "needs a champion" in said) == (1, True), said


def test_a_gate_that_nobody_passes_refuses_with_exit_code_three(encore, home):
    code, said = said_by(encore, home, "retrain", strict(home))
    assert code == 3, said
    assert "Only 300 users were measured, but 100,000 are needed" in said
    assert not (home / "serving.json").exists()
    assert entries(home)[-1].action == "refuse"


def test_a_person_may_overrule_the_gate_and_the_ledger_says_so(encore, home):
    code, said = said_by(encore, home, "promote", strict(home), "--force", "--reason", "a rehearsal")
    assert code == 0, said
    last = entries(home)[-1]
    assert (last.action, last.reason) == ("promote", "Forced against the gate: a rehearsal")
    assert (home / "serving.json").exists()


def test_another_sample_of_the_same_people_is_fine(encore, home):
    sample = changed(home, "sample", ("repeats = 0.2", "repeats = 0.2\nseed = 1"))
    code, said = said_by(encore, home, "drift", sample)
    assert (code, "Fine: the data looks like" in said) == (0, True), said


def test_data_that_moved_too_far_stops_the_retraining_before_it_learns(encore, home):
    moved, before = changed(home, "moved", ("repeats = 0.2", "repeats = 0.95")), len(entries(home))
    code, said = said_by(encore, home, "drift", moved)
    assert (code, "Stop and look" in said) == (3, True), said
    n_splits = len(list(home.glob("work/split-*")))
    code, said = said_by(encore, home, "retrain", moved)
    assert code == 1, said
    assert "moved too far in: repeats" in said
    assert len(list(home.glob("work/split-*"))) == n_splits
    assert len(entries(home)) == before
    assert len(list(home.glob("validation/*/drift.html"))) == 2


def keeping(home, name, *swaps):
    """The strict run with one family, four more items, and the codes that serve."""
    text = SMOKE.read_text()
    others = text[text.index("[families.transitions]") : text.index("[gate]")]
    kept = ("[gate]", "[churn]\nkeep_codes = true\nmax_items = 0.0\n\n[gate]")
    return strict(home, name, (others, ""), kept, ("n_items = 40", "n_items = 44"), *swaps)


def alerts_on(server):
    """Reasons of the alerts that a Prefect server knows of."""
    asked = json.dumps({"filter": {"event": {"name": ["encore.alert"]}}}).encode()
    request = urllib.request.Request(f"{server}/events/filter", asked, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return [each["payload"]["reason"] for each in json.load(answer)["events"]]


def test_codes_that_serve_are_kept_while_the_catalogue_grows(encore, home, server):
    alert = ("min_users = 100000", 'min_users = 100000\nalert_when = ["not enough evidence"]')
    code, said = said_by(encore, home, "retrain", keeping(home, "kept", alert))
    deadline = time.monotonic() + 30  # the server writes events behind its answers
    while not (reasons := alerts_on(server)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert [" ".join(reason.split()) in said for reason in reasons] == [True]
    assert code == 3, said
    assert "Only 300 users were measured" in said
    assert "max_items" not in said
    (found,) = home.glob("work/churn-*/churn.json")
    churn = json.loads(found.read_text())
    assert (churn["items"], churn["traffic"], churn["shared"]) == (0, 0, 40)


def test_codes_of_another_tokenizer_cannot_be_kept(encore, home):
    other = keeping(home, "other", ("codebook_size = 8", "codebook_size = 3"))
    code, said = said_by(encore, home, "retrain", other)
    assert code == 1, said
    assert "keep_codes needs the tokenizer that serves" in said


def test_more_new_semantic_ids_and_bytes_than_allowed_are_refused(encore, home):
    text = SMOKE.read_text()
    others = text[text.index("[families.transitions]") : text.index("[gate]")]
    coarse = changed(
        home,
        "coarse",
        ("codebook_size = 8", "codebook_size = 3"),
        (others, ""),
        ("[gate]", "[churn]\nmax_traffic = 0.1\n\n[limits]\nmax_bundle_mib = 0.001\n\n[gate]"),
    )
    code, said = said_by(encore, home, "retrain", coarse)
    assert code == 3, said
    assert "of the traffic changed, but [churn] max_traffic allows 10.0%" in said
    assert "MiB, but [limits] max_bundle_mib allows 0.001" in said
    assert list(home.glob("work/churn-*/churn.json"))
    code, said = said_by(encore, home, "history")
    assert "but [limits] max_coverage_loss allows" in said  # the first of its reasons


def starting(home, start, *swaps):
    """The strict run with the network against popularity, kept codes and a start of its own."""
    sections = f'[drift]\nstop = false\n\n[warm]\nstart = "{start}"\n\n[churn]\nkeep_codes = true\n\n[gate]'
    fixed = ("[families.transitions]\n", ""), ("[gate]", sections), ("n_items = 40", "n_items = 44")
    return strict(home, start, *fixed, *swaps)


LATER = ("length = 72", "length = 96")


def test_a_champion_that_cannot_go_on_is_followed_by_a_cold_start(encore, home):
    assert json.loads((home / "serving.json").read_text())["family"] == "transitions"
    code, said = said_by(
        encore, home, "promote", starting(home, "compare"), "--force", "--reason", "a network"
    )
    assert code == 0, said
    assert "Cold start: the champion's family, transitions" in said
    assert json.loads((home / "serving.json").read_text())["family"] == "trie-pointer"


def test_a_day_later_a_warm_start_is_shown_beside_the_cold_one(encore, home):
    code, said = said_by(encore, home, "retrain", starting(home, "compare", LATER))
    assert code == 3, said
    assert "Warm start: trie-pointer goes on from bundle" in said
    assert "Warm minus cold, ndcg@10:" in said
    assert "trie-pointer warm" in said
    (found,) = home.glob("work/warm-against-cold-*/difference.json")
    measured = json.loads(found.read_text())
    assert measured["difference"] == pytest.approx(measured["warm"] - measured["cold"])
    assert measured["n"] == 300
    page = max(home.glob("reports/*.html"), key=lambda file: file.stat().st_mtime)
    assert "Warm start against cold start" in page.read_text()


def test_a_champion_that_started_warm_is_found_again(encore, home):
    before = json.loads((home / "serving.json").read_text())["bundle"]
    config = starting(home, "warm", LATER)
    code, said = said_by(encore, home, "promote", config, "--force", "--reason", "warm")
    assert code == 0, said
    release = json.loads((home / "serving.json").read_text())
    lineage = json.loads((Path(release["bundle_path"]) / "bundle.json").read_text())["lineage"]
    assert (lineage["warm_from"], lineage["warm_in_a_row"]) == (before, "1")
    code, said = said_by(encore, home, "retrain", config)
    assert code == 0, said
    assert "is the champion already" in said
    assert f"goes on from bundle {before[:12]}" in said
