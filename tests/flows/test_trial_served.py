"""A canary as a person starts it: `encore serve --challenger`, both arms traced, `encore trial`."""

import json
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from flows.environment import Home
from flows.record.promotion import pointed
from models import bundle
from serving.process import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def post(url: str, body: object) -> list[dict[str, object]]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/recommend/many", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answers: list[dict[str, object]] = json.load(response)["answers"]
        return answers


def wait(url: str, process) -> None:
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.2)


def test_answers_of_either_arm_are_traced_and_compared(finished, encore):
    here = Home(finished.home)
    release = pointed(here.pointer)
    losers = [each / "bundle" for each in here.work.glob("train-*")]
    loser = next(each for each in losers if bundle.digest(each) != release.bundle)
    users = bundle.load(Path(release.bundle_path)).user_keys[:30]
    port = free_port()
    serving = encore(here.root, "serve", "--challenger", str(loser), "--canary", "0.5", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    try:
        wait(url, serving)
        answers = post(url, {"requests": [{"user": user} for user in users]})
    finally:
        serving.send_signal(signal.SIGTERM)
        said, _ = serving.communicate(timeout=60)
    assert serving.returncode == 0, said
    assert "answers 50% of the users as canary" in " ".join(said.split())
    of_arm = {each["arm"]: each for each in answers}
    assert of_arm.keys() == {"champion", "challenger"}
    for arm, digest in (("champion", release.bundle), ("challenger", bundle.digest(loser))):
        process = encore(here.root, "trace", of_arm[arm]["id"])
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        plain = re.sub(r"\s+", "", said)
        assert "Askedagain:thesameitemsandscores." in plain
        assert digest in plain
        assert f"arm{arm}ofacanary,against" in plain
    process = encore(here.root, "trial")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    n_theirs = sum(each["arm"] == "challenger" for each in answers)
    assert re.search(rf"^\s*users +{30 - n_theirs} +{n_theirs}\s*$", said, re.MULTILINE), said
    assert "Not enough evidence: 0 users in the smaller arm can be judged, 200 are needed." in said
