"""Helpers end with whoever asked for them."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SCRIPT = Path(__file__).with_name("helping.py")


def parent(folder: Path, what: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), what], stderr=subprocess.PIPE, text=True
    )


def test_the_block_waits_for_its_helpers(tmp_path):
    assert parent(tmp_path, "note").wait(60) == 0
    assert len(list(tmp_path.glob("noted-*"))) == 2


def test_an_error_of_a_helper_is_an_error_of_the_block(tmp_path):
    process = parent(tmp_path, "fail")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "is not liked" in said
    assert "2 helpers must end well, but 2 raised an error" in said


def test_a_helper_that_was_killed_is_nobodys_error(tmp_path):
    assert parent(tmp_path, "die").wait(60) == 0


def test_helpers_of_a_killed_parent_are_gone(tmp_path):
    process = parent(tmp_path, "for-ever")
    while len(found := list(tmp_path.glob("helper-*"))) < 2:
        time.sleep(0.05)
    process.kill()
    helpers = [int(file.name.partition("-")[2]) for file in found]
    process.communicate(timeout=30)
    gone = time.monotonic() + 10
    while any(map(psutil.pid_exists, helpers)) and time.monotonic() < gone:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, helpers))
