"""From the id in an answer of the real service to its model, data and verdict, and to the same answer."""

import json
import re
import urllib.request
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from flows.environment import Home
from flows.record.promotion import pointed
from flows.record.trace import trace
from models import bundle
from models.baselines.popularity import Popularity, PopularityConfig
from serving.answers.answer_log import AnswerLog, find
from serving.answers.answerer import Answerer
from serving.door.schemas import Lineage, RecommendedItem, RecommendRequest, RecommendResponse
from serving.process import running

LINEAGE = Lineage(bento="r:1", run_id=None, snapshot=None, generation=None, family="sasrec", bundle="b" * 64)


def answer(item="a"):
    items = [RecommendedItem(item=item, title="A", score=0.1 + 0.2, rank=0, source="counts")]
    return RecommendResponse(items=items, lineage=LINEAGE, ignored=[], notice=None)


def test_a_line_holds_question_and_answer_to_the_last_bit(tmp_path):
    log = AnswerLog(tmp_path / "answers")
    named = [log.note(RecommendRequest(history=["x"], k=3), answer(item)) for item in "ab"]
    assert len({each.id for each in named}) == 2
    assert named[0].model_copy(update={"id": None}) == answer("a")
    line = find(log.folder, named[1].id)
    assert (line["items"], line["scores"]) == (["b"], [0.1 + 0.2])
    assert RecommendRequest(**line["request"]) == RecommendRequest(history=["x"], k=3)
    assert find(log.folder, "nothing") is None
    (file,) = log.folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0  # it holds what users did


def test_a_full_disk_costs_the_line_not_the_answer(tmp_path, monkeypatch):
    log = AnswerLog(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("serving.answers.answer_log.os.write", full)
    assert log.note(RecommendRequest(history=[]), answer()) == answer()


def test_an_answer_that_was_not_kept_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"'abc' is not in .*answers: services that `encore serve`"):
        trace(Home(tmp_path), "abc")


def test_an_answer_that_is_older_than_what_is_kept_is_told(tmp_path):
    answers = tmp_path / "answers"
    answers.mkdir()
    with pytest.raises(ValueError, match="is of 2026-01-02 and the oldest that are kept are of no day"):
        trace(Home(tmp_path), "20260102-abc")
    (answers / "answers-2026-02-01.jsonl").touch()
    with pytest.raises(ValueError, match=r"kept are of 2026-02-01: ENCORE_ANSWERS_DAYS and ENCORE_ANSW"):
        trace(Home(tmp_path), "20260102-abc")
    with pytest.raises(ValueError, match="an answer must have been kept to be traced, but '20260301-abc'"):
        trace(Home(tmp_path), "20260301-abc")


def test_an_answer_from_a_checkout_is_made_again_by_the_bundle_that_was_trained(tmp_path, monkeypatch):
    monkeypatch.delenv("BENTOML_HOME")
    here, folder = Home(tmp_path), tmp_path / "work" / "train-x" / "bundle"
    model = Popularity(PopularityConfig(), np.array([1, 2], dtype=np.float32))
    items = Catalogue(pl.DataFrame({"item_key": ["a", "b"], "title": ["a", "b"]}), ("title",))
    folder.parent.mkdir(parents=True)
    bundle.save(bundle.Bundle(model, items, [], Interactions.from_histories([]), {}), folder)
    answerer = Answerer(bundle.load(folder), bundle.digest(folder))
    request = RecommendRequest(history=["a"], k=2)
    named = AnswerLog(here.answers).note(request, answerer.recommend([request])[0])
    found = trace(here, named.id)
    assert found.again == (["b", "a"], [2.0, 1.0])
    assert found.reproduced


def sent(url, body, method="POST"):
    """What a service answers."""
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_any_served_answer_is_traced_and_made_again(finished, encore, tmp_path):
    here = Home(finished.home)
    release = pointed(here.pointer)
    bentos = here.root / "bentoml"
    user = bundle.load(Path(release.bundle_path)).user_keys[0]
    body = json.dumps({"requests": [{"user": user}, {"history": [], "k": 3}]}).encode()
    with running(
        release.bento, log=tmp_path / "log", home=bentos, answers=here.answers, catalogue=here.catalogue
    ) as url:
        answers = sent(f"{url}/recommend/many", body)["answers"]
        first = answers[1]["items"][0]["item"]
        hide = json.dumps({"items": [{"item": first, "hidden": True}]}).encode()
        assert sent(f"{url}/catalogue", hide, "PUT")["version"] == 1
        changed = sent(f"{url}/recommend", b'{"history": [], "k": 3}')
        assert (changed["catalogue"], first in [each["item"] for each in changed["items"]]) == (1, False)
        answers.append(changed)
    for each in answers:
        process = encore(here.root, "trace", each["id"])
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        plain = re.sub(r"\s+", "", said)
        assert "Askedagain:thesameitemsandscores." in plain
        assert release.bundle in plain
        assert release.snapshot in plain
        assert "act1:promote" in plain
