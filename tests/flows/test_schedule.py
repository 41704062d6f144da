"""A deployment fires on time on a real Prefect server, and everything stops when it is told to."""

import json
import signal
import time
import urllib.request

import psutil
import pytest

from flows.environment import Home
from flows.record.last_run import is_running, last_run
from flows.record.ledger import Ledger
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
            assert run["parameters"]["trigger"] == "by clock"
        finally:
            timer.send_signal(signal.SIGTERM)
            timer.wait(60)
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.communicate(timeout=60)
    assert stack.returncode == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/api/health", timeout=5)


def test_new_data_start_a_retraining_and_the_worker_goes_when_told(encore, server, tmp_path):
    config = tmp_path / "watched.toml"
    watching = "[schedule]\nwatch_minutes = 0.1\nalarms = []\n"
    config.write_text(SMOKE.read_text().replace('name = "smoke"', 'name = "watched"') + watching)
    home = tmp_path / "home"
    timer = encore(home, "schedule", str(config), PREFECT_API_URL=server, PREFECT_WORKER_QUERY_SECONDS="2")
    try:
        wait_for(lambda: (home / "serving.json").exists(), 300)
        wait_for(lambda: not is_running(Home(home)), 60)
    finally:
        timer.send_signal(signal.SIGTERM)
        said, _ = timer.communicate(timeout=60)
    assert timer.returncode == 0, said
    assert "every 0.1 minutes: new data, drift" in said
    assert last_run(Home(home)).state == "finished"
    assert last_run(Home(home)).trigger.startswith("encore.new-data: +21,600 events")
    (entry,) = Ledger(f"sqlite:///{home / 'ledger.db'}").entries()  # the same data started no second run
    assert entry.action == "promote"
    assert not [each for each in psutil.process_iter(["environ"]) if runs_in(each, home)]


def runs_in(process, home):
    return (process.info["environ"] or {}).get("ENCORE_HOME") == str(home)


def test_a_schedule_without_a_time_is_told(encore, server, tmp_path):
    timer = encore(tmp_path, "schedule", str(SMOKE), PREFECT_API_URL=server)
    said, _ = timer.communicate(timeout=60)
    assert timer.returncode == 1
    assert "a schedule needs a time, but there is none: give --cron or --every" in said
