"""A step runs once for each content of its inputs, and leaves a folder or nothing."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.environment import Home
from flows.steps import Artefact, step

ran: list[str] = []


@dataclass(frozen=True)
class Place:
    home: Home


@step("shout", layers=("data",), resumable=True)
def shout(run: Place, draft: Path, *, family: str, given: Artefact | None = None) -> None:
    """Leaves the word, in capitals."""
    ran.append(family)
    (draft / "notes").mkdir(exist_ok=True)
    (draft / "notes" / "seconds").write_text(str(len(ran)))
    if family == "broken" and not (draft / "half").exists():
        (draft / "half").write_text("half")
        raise RuntimeError("killed")
    (draft / "word").write_text(family.upper())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    ran.clear()
    return Place(Home(tmp_path))


def test_the_same_inputs_are_not_run_again(place):
    first = shout.fn(run=place, family="a")
    assert shout.fn(run=place, family="a") == first
    assert ran == ["a"]
    assert first.file("word").read_text() == "A"
    assert Path(first.path).name.startswith("shout-a-")


def test_another_input_is_another_folder(place):
    first = shout.fn(run=place, family="a")
    second = shout.fn(run=place, family="a", given=first)
    assert first.path != second.path
    assert ran == ["a", "a"]


def test_an_artefact_counts_by_its_digest_and_not_by_its_place(place):
    one = shout.fn(run=place, family="a", given=Artefact("here", "d"))
    assert shout.fn(run=place, family="a", given=Artefact("there", "d")) == one


def test_notes_are_not_part_of_the_digest(place):
    first = shout.fn(run=place, family="a")
    for file in Path(first.path).rglob("*"):
        if file.name == "seconds":
            file.write_text("another time")
    assert shout.fn(run=place, family="a").digest == first.digest


def test_a_killed_step_leaves_no_folder_and_is_continued(place):
    with pytest.raises(RuntimeError, match="killed"):
        shout.fn(run=place, family="broken")
    assert [folder.suffix for folder in place.home.work.iterdir()] == [".draft"]
    done = shout.fn(run=place, family="broken")
    assert done.file("word").read_text() == "BROKEN"
    assert ran == ["broken", "broken"]


def test_a_deleted_folder_gets_a_key_that_was_never_used(place):
    keys = [shout.cache_key_fn(None, {"run": place, "family": "a"}) for _ in range(2)]
    assert keys[0] != keys[1]
    shout.fn(run=place, family="a")
    keys = [shout.cache_key_fn(None, {"run": place, "family": "a"}) for _ in range(2)]
    assert keys[0] == keys[1]
