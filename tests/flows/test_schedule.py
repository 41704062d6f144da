"""A deployment fires on time on a real Prefect server, and everything stops when it is told to."""

import json
import signal
import time
import urllib.request

import pytest

from serving.process import free_port

from .conftest import SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def runs_of(url: str) -> list[dict[str, str]]:
    body = json.dumps({"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "limit": 5}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/api/flow_runs/filter", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return [run for run in json.load(answer) if run["deployment_id"]]


def wait_for(what, seconds: float):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(1)
    raise AssertionError("it did not happen in time")


def test_a_schedule_fires_on_the_minute_and_up_stops_cleanly(finished, encore):
    home = finished.home
    prefect, mlflow, service = (free_port() for _ in range(3))
    ports = [("--prefect-port", prefect), ("--mlflow-port", mlflow), ("--service-port", service)]
    stack = encore(home, "up", *(str(word) for pair in ports for word in pair))
    url = f"http://127.0.0.1:{prefect}"
    try:
        said = [line for line in iter(stack.stdout.readline, "Ctrl-C stops all of it.\n") if line]
        assert sum("http://127.0.0.1" in line for line in said) == 4, said
        with urllib.request.urlopen(f"http://127.0.0.1:{service}/readyz", timeout=10) as answer:
            assert answer.status == 200
        timer = encore(home, "schedule", str(SMOKE), "--cron", "* * * * *", PREFECT_API_URL=f"{url}/api")
        try:
            run = wait_for(lambda: runs_of(url), 300)[0]
            assert run["expected_start_time"].endswith(":00Z")  # on the minute
        finally:
            timer.send_signal(signal.SIGTERM)
            timer.wait(60)
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.communicate(timeout=60)
    assert stack.returncode == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/api/health", timeout=5)
