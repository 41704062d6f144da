"""Ranks live and die together, and the first trouble is the one that is told."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]
SCRIPT = Path(__file__).with_name("ranking.py")


def parent(folder: Path, *what: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), *what],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(folder: Path) -> list[int]:
    """Ranks that still run some seconds later."""
    found = [int(file.name.rpartition("-")[2]) for file in folder.glob("rank-*")]
    until = time.monotonic() + 10
    while any(map(psutil.pid_exists, found)) and time.monotonic() < until:
        time.sleep(0.05)
    return [each for each in found if psutil.pid_exists(each)]


def test_what_rank_0_returns_is_returned_and_all_are_heard(tmp_path):
    said, _ = parent(tmp_path, "note").communicate(timeout=150)
    lines = said.splitlines()
    assert lines[-1] == "10"
    assert sorted(lines[:-1]) == ["hello from 0", "hello from 1"]


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("fail", "rank 1 ended with ValueError: that is not liked"),
        ("follow", "rank 1 ended with ValueError: the cause"),
        ("die", "rank 1 was killed (exit code -9)"),
    ],
)
def test_the_end_of_one_is_the_end_of_all_and_the_cause_is_told(tmp_path, what, cause):
    process = parent(tmp_path, what)
    _, said = process.communicate(timeout=150)
    assert process.returncode == 1
    assert f"RankFailed: 2 processes train together and must all go on, but {cause}" in said
    assert left(tmp_path) == []


def test_what_the_listener_raises_ends_them(tmp_path):
    process = parent(tmp_path, "wait", "enough")
    _, said = process.communicate(timeout=150)
    assert "KeyError: 'enough'" in said
    assert left(tmp_path) == []


def test_ranks_of_a_killed_parent_are_gone(tmp_path):
    process = parent(tmp_path, "wait")
    while len(list(tmp_path.glob("rank-*"))) < 2:
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=30)
    assert left(tmp_path) == []
