"""Acts on disk: what was answered is there after any crash, and nobody else writes there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.catalogue.journal import NAME, Journal, Line
from serving.catalogue.schemas import CatalogueChange

CHANGE = CatalogueChange.model_validate(
    {"items": [{"item": "ü", "hidden": True}, {"item": "y", "fields": {"price": None, "title": "a\nb"}}]}
)
ACTS = [Line(1, 5.0, "b", CHANGE), Line(2, 6.0, "b", None, 0)]


def test_acts_come_back_in_their_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new")
    for act in ACTS:
        journal.append(act)
    journal.close()
    again = Journal(tmp_path / "new")
    assert list(again.lines()) == ACTS
    assert (tmp_path / "new" / NAME).stat().st_mode & 0o777 == 0o600
    again.close()


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_that_was_cut_off_is_dropped_and_the_next_one_is_whole(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    journal.append(ACTS[0])
    journal.append(ACTS[1])
    journal.close()
    file = tmp_path / NAME
    os.truncate(file, file.stat().st_size - cut)
    again = Journal(tmp_path)
    assert list(again.lines()) == ACTS[:1]
    again.append(ACTS[1])
    assert list(again.lines()) == ACTS
    again.close()


def test_a_damaged_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"version": 1}\n')
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="line 1 must be an act as it was written"):
        list(journal.lines())
    journal.close()


def test_a_second_service_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from serving.catalogue.journal import Journal\n"
    code += "journal = Journal(Path(sys.argv[1])); print('mine', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "mine\n"
    with pytest.raises(ValueError, match=r"belongs to one service, but .* is in use"):
        Journal(tmp_path)
    other.kill()
    other.communicate()
    Journal(tmp_path).close()
