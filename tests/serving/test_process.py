"""Real services: how they start, what they refuse, and that they leave nothing behind."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving import bento
from serving.bento import BentoInfo
from serving.connection import Connection
from serving.door.schemas import RecommendRequest
from serving.probe import replay
from serving.process import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.status, reply.read().decode()


def post(url: str, body: object, path: str = "/recommend") -> tuple[int, Any]:
    client = Connection(url)
    try:
        status, answer = client.post(path, body if isinstance(body, bytes) else json.dumps(body).encode())
    finally:
        client.close()
    return status, json.loads(answer)


def test_an_unknown_tag_is_refused(home: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"has no 'recommender:none': build it first"),
        running("recommender:none", home=home, log=tmp_path / "log"),
    ):
        pass


@pytest.mark.parametrize(("n_taken", "is_up"), [(2, True), (3, False)])
def test_a_port_that_is_taken_meanwhile_is_tried_again(
    n_taken: int, is_up: bool, bundle_folder: Path, tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    python = tmp_path / "python"  # the first times as BentoML's supervisor that comes too late
    python.write_text(
        f"""#!/bin/sh
echo x >> {tries}
if [ "$(wc -l < {tries})" -gt {n_taken} ]; then exec {sys.executable} "$@"; fi
echo "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:55893')"
exit 1
"""
    )
    python.chmod(0o755)
    wanted = nullcontext() if is_up else pytest.raises(RuntimeError, match="Address already in use")
    with wanted, running(bundle_folder, log=tmp_path / "log", python=str(python)) as address:
        assert get(address + "/livez")[0] == 200
    assert len(tries.read_text().splitlines()) == 3


def test_a_service_leaves_no_process_and_no_listener_behind(bundle_folder: Path, tmp_path: Path) -> None:
    me = psutil.Process()
    known = {child.pid for child in me.children(recursive=True)}
    with running(bundle_folder, log=tmp_path / "log") as address:
        started = [child for child in me.children(recursive=True) if child.pid not in known]
        assert len(started) >= 2  # BentoML's supervisor and its worker
        assert post(address, {"user": "ann", "k": 1})[1]["lineage"]["bento"] is None
    assert not [child for child in started if child.is_running()]
    with pytest.raises(urllib.error.URLError):
        get(address + "/livez")


def test_a_service_that_hangs_is_killed_and_its_log_says_where(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.process.STOP_SECONDS", 1.0)
    log = tmp_path / "log"
    known = set(psutil.Process().children(recursive=True))
    with running(bundle_folder, log=log):
        started = set(psutil.Process().children(recursive=True)) - known
        worker = next(each for each in started if "worker.service" in " ".join(each.cmdline()))
        for each in started - {worker}:
            each.suspend()  # a supervisor that is deaf, so the worker is not told either
    alive = [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert not alive
    said = log.read_text()
    assert "Fatal Python error: Aborted" in said
    assert "Current thread" in said


def test_two_services_of_one_home_keep_their_own_counts(
    url: str, built: BentoInfo, home: Path, tmp_path: Path
) -> None:
    post(url, {"user": "ann"})
    with running(built.tag, home=home, log=tmp_path / "log") as other:
        assert 'encore_requests_total{kind="user"}' in get(url + "/metrics")[1]
        assert 'encore_requests_total{kind="user"}' not in get(other + "/metrics")[1]


def test_a_service_ends_with_the_process_that_asked_for_it(bundle_folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom serving.process import running\n"
        "with running(Path(sys.argv[1]), log=Path(sys.argv[2])) as url:\n"
        " print(url, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(bundle_folder), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=bento.SOURCE) as asker:
        assert asker.stdout is not None
        assert asker.stdout.readline().startswith("http://127.0.0.1:")
        family = psutil.Process(asker.pid).children(recursive=True)
        asker.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


def test_a_broken_bundle_stops_the_start_with_the_reason(bundle_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(bundle_folder, broken)
    (broken / "users.json").write_text("[]")
    with (
        pytest.raises(RuntimeError, match=r"must load its bundle, but it could not: (.|\n)*recorded digest"),
        running(broken, log=tmp_path / "log"),
    ):
        pass


def test_bentoml_itself_refuses_to_open_a_service_without_a_token(built: BentoInfo, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bentoml", "serve", str(built.path), "--host", "0.0.0.0"]
    done = subprocess.run(
        command, cwd=tmp_path, env=bento.environment(tmp_path), capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert b"needs a token, but got 0.0.0.0 and no ENCORE_TOKEN" in done.stdout + done.stderr


def test_a_service_with_a_token_wants_it(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCORE_TOKEN", "s3cret")
    request = [RecommendRequest(user="ann", k=1)]
    with running(bundle_folder, log=tmp_path / "log") as address:
        assert post(address, {"user": "ann"})[0] == 401
        assert replay(address, request, mode="alone", token="s3cret").answers[0].items == ["10"]
    assert "s3cret" not in (tmp_path / "log").read_text()
