"""What is kept, in which file, and what is deleted when."""

from pathlib import Path

import pytest

from serving.answers import answer_log
from serving.answers.answer_log import AnswerLog, day_in, find, first_day, lines
from serving.answers.recent import Recent, RecentEvent
from serving.door.schemas import Lineage, RecommendedItem, RecommendRequest, RecommendResponse
from serving.settings import ANSWERS_DAYS_VARIABLE, answers_days

LINEAGE = Lineage(bento="r:1", run_id=None, snapshot=None, generation=None, family="sasrec", bundle="b" * 64)
NOON = 1_764_072_000.0  # 2025-11-25 12:00 UTC
DAY = 86_400


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("serving.answers.answer_log.time.time", clock)
    return clock


def keep(log: AnswerLog, item: str = "a") -> str:
    items = [RecommendedItem(item=item, title="A", score=0.5, rank=0, source="counts")]
    response = RecommendResponse(items=items, lineage=LINEAGE, ignored=[], notice=None)
    name = log.note(RecommendRequest(user="ann"), response).id
    assert name is not None
    return name


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_an_id_begins_with_its_day_and_leads_to_its_line(tmp_path: Path, clock: Clock) -> None:
    log = AnswerLog(tmp_path)
    first = keep(log, "a")
    clock.now += DAY
    second = keep(log, "b")
    assert (day_in(first), day_in(second)) == ("2025-11-25", "2025-11-26")
    assert names(tmp_path) == ["answers-2025-11-25.jsonl", "answers-2025-11-26.jsonl"]
    for name, item in ((first, "a"), (second, "b")):
        line = find(tmp_path, name)
        assert line is not None
        assert line["items"] == [item]


def test_an_id_of_an_earlier_version_is_found_and_has_no_day(tmp_path: Path) -> None:
    old = "0f8b7c" + "0" * 26
    (tmp_path / "answers-2025-11-25.jsonl").write_text(f'{{"id": "{old}", "items": []}}\n')
    assert find(tmp_path, old) is not None
    assert day_in(old) is None


def test_a_full_file_is_followed_by_another_of_the_day(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_log, "PART_BYTES", 1)  # full after a line
    log = AnswerLog(tmp_path)
    kept = [keep(log, str(number)) for number in range(12)]
    assert len(names(tmp_path)) == 12
    assert "answers-2025-11-25.11.jsonl" in names(tmp_path)
    assert [line["id"] for line in lines(tmp_path, "answers")] == kept  # part 2 before part 10
    assert keep(AnswerLog(tmp_path)) in (tmp_path / "answers-2025-11-25.12.jsonl").read_text()


def test_days_before_the_last_ones_are_deleted_at_the_first_answer_of_a_day(
    tmp_path: Path, clock: Clock
) -> None:
    log = AnswerLog(tmp_path, days=2)
    gone = keep(log)
    log.note_failed_mirror(gone, "late")
    for _ in range(2):
        clock.now += DAY
        keep(log)
    assert first_day(tmp_path) == "2025-11-25"  # today, and two days before
    clock.now += DAY
    keep(log)
    assert first_day(tmp_path) == "2025-11-26"
    assert find(tmp_path, gone) is None
    assert not list(lines(tmp_path, "mirrored"))


def test_a_service_that_starts_deletes_what_became_too_old(tmp_path: Path, clock: Clock) -> None:
    keep(AnswerLog(tmp_path))
    clock.now += 10 * DAY
    AnswerLog(tmp_path, days=9)
    assert names(tmp_path) == []


def test_above_the_limit_the_oldest_files_go(tmp_path: Path, clock: Clock) -> None:
    for day in (21, 22, 23, 24):
        (tmp_path / f"answers-2025-11-{day}.jsonl").write_bytes(b"x" * 400_000)
    keep(AnswerLog(tmp_path, megabytes=1))  # four of .4 MB: two must go
    assert names(tmp_path) == [f"answers-2025-11-{day}.jsonl" for day in (23, 24, 25)]


def test_a_stranger_in_the_folder_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "exported-2020.jsonl").write_text("mine")
    AnswerLog(tmp_path, days=1, megabytes=1)
    assert names(tmp_path) == ["exported-2020.jsonl", "notes.txt"]


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path, clock: Clock) -> None:
    log = AnswerLog(tmp_path)
    name = keep(log)
    with (tmp_path / "answers-2025-11-25.jsonl").open("a") as file:
        file.write('{"id": "2025')
    assert [line["id"] for line in lines(tmp_path, "answers")] == [name]


def test_days_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers_days() == 90
    monkeypatch.setenv(ANSWERS_DAYS_VARIABLE, "soon")
    with pytest.raises(ValueError, match="ENCORE_ANSWERS_DAYS must be a whole number of days, 1 or more"):
        answers_days()


def test_a_line_has_what_was_known_beside_the_bundle(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path)
    items = [RecommendedItem(item="a", title="A", score=0.5, rank=0, source="counts")]
    response = RecommendResponse(items=items, lineage=LINEAGE, ignored=[], notice=None)
    known = [
        None,
        Recent(),
        Recent((RecentEvent("b", 7, "o1"), RecentEvent("c", 8))),
        Recent(is_forgotten=True),
    ]
    for recent in known:
        log.note(RecommendRequest(user="ann"), response, recent=recent)
    found = [(line.get("recent"), line.get("forgotten")) for line in lines(tmp_path, "answers")]
    assert found == [(None, None), (None, None), ([["b", 7, "o1"], ["c", 8, None]], None), (None, True)]
