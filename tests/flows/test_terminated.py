"""A run that is told to stop stops whole."""

import time

import psutil
import pytest

from .conftest import SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_terminated_run_takes_its_temporary_server_along(encore, tmp_path):
    process = encore(tmp_path, "retrain", str(SMOKE))
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("work/validate-*.draft")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("prefect" in " ".join(child.cmdline()) for child in family)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode != 0
    _, alive = psutil.wait_procs(family, timeout=20)
    for survivor in alive:
        survivor.kill()
    assert not alive
