"""Real services that hold two bundles: "10" is the champion's first item, "14" the challenger's."""

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models import bundle as bundles
from serving.answers.answer_log import lines
from serving.bento import BentoInfo
from serving.connection import Connection
from serving.door.schemas import RecommendRequest
from serving.process import running
from serving.trial.config import RevertConfig, TrialConfig
from serving.trial.split import is_in_share

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CANARY = TrialConfig(mode="canary", share=0.5)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:
        text: str = reply.read().decode()
        return text


def post(url: str, body: object, path: str = "/recommend") -> tuple[int, Any]:
    client = Connection(url)
    try:
        status, answer = client.post(path, json.dumps(body).encode())
    finally:
        client.close()
    return status, json.loads(answer)


def count(url: str, name: str) -> float:
    found = re.search(rf"^encore_trial_{re.escape(name)} (\S+)$", get(url + "/metrics"), re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(scope="module")
def canary(
    built: BentoInfo,
    home: Path,
    stranger: str,
    challenger_folder: Path,
    answers: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A real Bento that alone, without this project, has a canary."""
    log = tmp_path_factory.mktemp("log") / "service.log"
    trial = (challenger_folder, CANARY)
    with running(built.tag, home=home, log=log, python=stranger, answers=answers, trial=trial) as url:
        yield url


def test_each_user_gets_the_same_arm_and_the_answer_says_which(
    canary: str, built: BentoInfo, bundle_folder: Path, challenger_folder: Path, answers: Path
) -> None:
    digests = {"champion": bundles.digest(bundle_folder), "challenger": bundles.digest(challenger_folder)}
    requests = [RecommendRequest(history=["10", f"z{number}"], k=2) for number in range(40)]
    chosen = [is_in_share(each, share=0.5, salt=digests["challenger"]) for each in requests]
    assert 0 < sum(chosen) < 40
    body = {"requests": [each.model_dump(exclude_defaults=True) for each in requests]}
    together = post(canary, body, "/recommend/many")[1]["answers"]
    alone = [post(canary, each)[1] for each in body["requests"]]
    for answer, theirs in zip(together + alone, chosen * 2, strict=True):
        arm = "challenger" if theirs else "champion"
        assert answer["arm"] == arm
        assert answer["items"][0]["item"] == ("14" if theirs else "10")
        assert answer["lineage"]["bundle"] == digests[arm]
        assert answer["lineage"]["bento"] == (None if theirs else built.tag)
        assert answer["lineage"]["run_id"] == ("run-9" if theirs else "run-2")
    kept = {line["id"]: line for line in lines(answers, "answers")}
    assert [kept[each["id"]]["trial"]["arm"] for each in alone] == [each["arm"] for each in alone]
    assert count(canary, 'seconds_count{arm="challenger"}') == 2 * sum(chosen)
    assert count(canary, 'seconds_count{arm="champion"}') == 2 * (40 - sum(chosen))


def test_users_of_one_arm_are_answered_by_it_and_unknown_ones_by_the_champion(canary: str) -> None:
    assert post(canary, {"user": "cid"})[1]["arm"] == "champion"
    assert post(canary, {"user": "zoe"})[1]["arm"] == "challenger"
    nobody = post(canary, {"user": "nobody"})[1]
    assert (nobody["arm"], nobody["fallback"]) == ("champion", "unknown-user")


def test_info_says_what_is_on_trial_until_a_person_ends_it(canary: str, challenger_folder: Path) -> None:
    """The last test of this service."""
    trial = json.loads(get(canary + "/info"))["trial"]
    assert (trial["mode"], trial["share"], trial["reverted"]) == ("canary", 0.5, None)
    assert trial["challenger"]["bundle"] == bundles.digest(challenger_folder)
    assert post(canary, {"reason": "too many cat toys"}, "/trial/revert")[0] == 200
    reverted = json.loads(get(canary + "/info"))["trial"]["reverted"]
    assert (reverted["rule"], reverted["reason"]) == ("by hand", "too many cat toys")
    assert count(canary, 'reverted{rule="by hand"}') == 1
    answered = [post(canary, {"history": [f"z{number}"]})[1] for number in range(20)]
    assert {(each["items"][0]["item"], each["arm"]) for each in answered} == {("10", None)}
    assert post(canary, {"user": "zoe"})[1]["fallback"] == "unknown-user"


def test_a_shadow_is_compared_and_given_up_by_rule(
    bundle_folder: Path, challenger_folder: Path, tmp_path: Path
) -> None:
    rule = RevertConfig(min_requests=20, min_overlap=0.5, max_latency_ratio=1000)
    trial = (challenger_folder, TrialConfig(mode="shadow", k=3, revert=rule))
    answers, log = tmp_path / "answers", tmp_path / "log"
    with running(bundle_folder, log=log, answers=answers, trial=trial) as url:
        for number in range(20):  # of three: 10 11 12 against 14 13 12
            assert post(url, {"history": [f"z{number}"], "k": 3})[1]["arm"] == "champion"
        deadline = time.monotonic() + 20
        while not count(url, 'reverted{rule="min_overlap"}'):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert count(url, "overlap_count") == 20
        assert count(url, "overlap_sum") == pytest.approx(20 / 3)
        assert post(url, {"history": ["10"]})[1]["arm"] is None
        reason = json.loads(get(url + "/info"))["trial"]["reverted"]["reason"]
    assert reason.startswith("the newest 20 lists share 33.3% of their items with the champion's")
    assert "event=trial_reverted rule=min_overlap" in log.read_text()
    assert len(list(lines(answers, "mirrored"))) == 20


def test_a_damaged_challenger_costs_no_answer(
    bundle_folder: Path, challenger_folder: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(challenger_folder, damaged)
    (damaged / "users.json").write_text("[]")
    with running(bundle_folder, log=tmp_path / "log", trial=(damaged, CANARY)) as url:
        assert post(url, {"user": "ann"})[1]["arm"] is None
        reverted = json.loads(get(url + "/info"))["trial"]["reverted"]
    assert reverted["rule"] == "loading"
    assert "must match the recorded digest" in reverted["reason"]


def test_the_champion_cannot_be_its_own_challenger(bundle_folder: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="a challenger must be another bundle than the champion"),
        running(bundle_folder, log=tmp_path / "log", trial=(bundle_folder, CANARY)),
    ):
        pass
