"""Lines of one user become blank; every other byte stays."""

import json
from pathlib import Path

import pytest

from data.event_store.users import UserKeys
from serving.answers.answer_log import AnswerLog, lines
from serving.answers.erase import erase
from serving.door.schemas import Lineage, RecommendedItem, RecommendRequest, RecommendResponse

LINEAGE = Lineage(bento="r:1", run_id=None, snapshot=None, generation=None, family="sasrec", bundle="b" * 64)
SALT = "a secret of some length"


def keep(log: AnswerLog, user: str | None, item: str = "a") -> str:
    items = [RecommendedItem(item=item, title="A", score=0.5, rank=0, source="counts")]
    response = RecommendResponse(items=items, lineage=LINEAGE, ignored=[], notice=None)
    request = RecommendRequest(history=["ann"]) if user is None else RecommendRequest(user=user)
    kept = log.note(request, response)
    assert kept.id is not None
    log.note_mirror(kept.id, response, 1.0)
    return kept.id


def text(folder: Path) -> str:
    return "".join(file.read_text() for file in sorted(folder.iterdir()))


def test_a_users_answers_and_their_mirrors_are_gone_and_others_stay(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path)
    gone = [keep(log, "ann"), keep(log, "ann")]
    stay = [keep(log, "anna"), keep(log, None), keep(log, "bob", item="ann")]  # ann as a key or an item
    before = {file: file.stat().st_size for file in tmp_path.iterdir()}
    assert log.forget({"ann"}) == 2
    assert [line["id"] for line in lines(tmp_path, "answers")] == stay
    assert [line["of"] for line in lines(tmp_path, "mirrored")] == stay
    assert not any(name in text(tmp_path) for name in gone)
    assert {file: file.stat().st_size for file in tmp_path.iterdir()} == before
    assert log.forget({"ann"}) == 0
    assert keep(log, "ann") in text(tmp_path)  # what comes later is kept again


@pytest.mark.parametrize("user", ["ä", 'a"b', "a\\b", "日本", "a\nb"])
def test_any_user_key_is_found(tmp_path: Path, user: str) -> None:
    log = AnswerLog(tmp_path)
    keep(log, user)
    assert erase(tmp_path, {user, "other"}) == 1
    assert not list(lines(tmp_path, "answers"))


def test_a_line_that_was_cut_off_is_left_alone(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path)
    keep(log, "ann")
    (file,) = tmp_path.glob("answers-*")
    with file.open("a") as more:
        more.write('{"id": "x", "request": {"user": "ann"')
    assert erase(tmp_path, {"ann"}) == 1
    assert file.read_text().endswith('\n{"id": "x", "request": {"user": "ann"')


def test_with_a_salt_the_log_has_hashes_only(tmp_path: Path) -> None:
    users = UserKeys(SALT)
    keep(AnswerLog(tmp_path, users=users), "ann@shop.example")
    assert "ann@shop" not in text(tmp_path)
    (line,) = lines(tmp_path, "answers")
    assert line["request"] == {"user": users.stored("ann@shop.example")}
    assert json.dumps(line).count(users.stored("ann@shop.example")) == 1
