"""Process: a service that runs for as long as a `with` block: started, waited for, stopped, nothing left."""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from serving import bento
from serving.door.guard import check_host
from serving.settings import (
    ANSWERS_VARIABLE,
    BUNDLE_VARIABLE,
    CATALOGUE_VARIABLE,
    CHALLENGER_VARIABLE,
    DOOR_VARIABLES,
    EVENTS_VARIABLE,
    TOKENS_FILE_VARIABLE,
    TRIAL_VARIABLE,
    keyring,
)
from serving.trial.config import TrialConfig

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
LAST_WORDS_SECONDS = 3.0
POLL_SECONDS = 0.1
START_ATTEMPTS = 3
_FAILED = "Initializing service error"  # what BentoML logs; it then restarts the worker for ever
# A free port is looked up first and bound later, by BentoML too: another program may come between.
_PORT_TAKEN = "Address already in use"

# The service ends with the process that asked for it, even if that is killed: Linux signals the child.
_LAUNCH = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the process that asked for this service is gone")
os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", *sys.argv[2:]])
"""


@contextmanager
def running(
    target: str | Path,
    *,
    log: Path,
    home: Path | None = None,
    port: int = 0,
    host: str = LOOPBACK,
    start_seconds: float = START_SECONDS,
    python: str = sys.executable,
    answers: Path | None = None,
    events: str | None = None,
    trial: tuple[Path, TrialConfig] | None = None,
    catalogue: Path | None = None,
    is_private: bool = False,
) -> Iterator[str]:
    """A served Bento or bundle; yields its base URL once it is ready.

    Args:
        target: tag of a Bento in `home`, or the folder of a Bento, or the folder of a bundle, which is then
            served by the source of this checkout.
        log: file that receives what the service says; it is begun anew.
        home: BENTOML_HOME that holds the tag; needed for tags only.
        port: 0 for a free one.
        host: address to bind.
        start_seconds: longest wait for /readyz.
        python: interpreter that runs it; needs what the Bento requires, not this project.
        answers: folder in which it keeps its answers for tracing; None for what its environment says.
        events: store of events, a path or a postgresql:// URL; None for none, whatever the environment says:
            a proof must not hear what users do meanwhile.
        trial: the folder of a challenger, a bundle's or a Bento's, and how it is tried; None for no trial,
            whatever the environment says: a proof asks one model.
        catalogue: folder of changes to the catalogue; None for none, likewise.
        is_private: for this process alone, on loopback: no keys and limits, whatever the environment says.

    Raises:
        ValueError: no such target, or a host that other machines reach without a token or privately.
        RuntimeError: it stopped, or could not load its bundle; the message has the end of the log.
        TimeoutError: it was not ready in time; likewise.
    """
    check_host(host, has_token=not is_private and len(keyring()) > 0)
    arguments, variables = _target(target, home)
    variables |= dict.fromkeys(DOOR_VARIABLES, "") if is_private else _keys_file()
    variables |= {CHALLENGER_VARIABLE: "", TRIAL_VARIABLE: ""} if trial is None else _trial(*trial)
    variables |= {CATALOGUE_VARIABLE: "" if catalogue is None else str(catalogue.resolve())}
    variables |= {EVENTS_VARIABLE: events or ""}
    if answers is not None:
        variables |= {ANSWERS_VARIABLE: str(answers)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="encore-serve-") as scratch:
        # A home of its own: BentoML empties the metrics folder of a home whenever a service starts there.
        environment = {**bento.environment(Path(scratch)), "PYTHONFAULTHANDLER": "1", **variables}
        command = [python, "-c", _LAUNCH, str(os.getpid()), *arguments, "--host", host]
        process, url = _start(command, environment, host, port, log, start_seconds)
        try:
            logger.info("event=service_ready url=%s target=%s pid=%s", url, target, process.pid)
            yield url
        finally:
            stop(process)


def _start(
    command: list[str], environment: dict[str, str], host: str, port: int, log: Path, start_seconds: float
) -> tuple["subprocess.Popen[bytes]", str]:
    """A service that is ready, and its URL; begun again where a port that was free is taken meanwhile."""
    attempt = 1
    while True:
        bound = port or free_port()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "--port", str(bound)],
                cwd=environment["BENTOML_HOME"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        url = f"http://{LOOPBACK if host in ('0.0.0.0', '::') else host}:{bound}"
        try:
            _wait_until_ready(process, url, log, start_seconds)
            return process, url
        except BaseException as error:
            stop(process)
            lost = isinstance(error, RuntimeError) and _PORT_TAKEN in log.read_text(errors="replace")
            if attempt == START_ATTEMPTS or not lost:
                raise
        logger.warning("event=service_port_taken attempt=%s of=%s", attempt, START_ATTEMPTS)
        attempt += 1


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the service and its workers to finish their requests; kill those that do not stop in time."""
    family = _family(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            logger.warning("event=service_killed pid=%s waited_s=%s", process.pid, STOP_SECONDS)
            _let_speak(family)
            process.kill()
            process.wait()
    for survivor in family:
        if survivor.is_running():
            survivor.kill()
    psutil.wait_procs(family, timeout=STOP_SECONDS)


def _let_speak(family: list[psutil.Process]) -> None:
    """Let processes that hang write into the service's log where each of their threads is."""
    for each in family:
        if each.is_running():
            each.send_signal(signal.SIGABRT)  # Python's fault handler prints and ends
    psutil.wait_procs(family, timeout=LAST_WORDS_SECONDS)


def _family(pid: int) -> list[psutil.Process]:
    """Workers of a service; each leads a session of its own, so no process group holds them all."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _target(target: str | Path, home: Path | None) -> tuple[list[str], dict[str, str]]:
    """Arguments of `bentoml serve` and variables to set for `target`."""
    if isinstance(target, str):
        if home is None:
            raise ValueError(f"a tag is looked up in a home, but got {target!r} and none: give home.")
        target = bento.find(target, home)
    path = target.resolve()
    if (path / "bento.yaml").is_file():
        return [str(path)], {}
    if (path / "bundle.json").is_file():
        service = ["serving.service:RecommenderService", "--working-dir", str(bento.SOURCE)]
        return service, {BUNDLE_VARIABLE: str(path)}
    raise ValueError(f"{target}: only a Bento or a bundle is served, but this is neither: give its folder.")


def _keys_file() -> dict[str, str]:
    """The file of keys by its full path, because the service runs in a folder of its own."""
    named = os.environ.get(TOKENS_FILE_VARIABLE)
    return {TOKENS_FILE_VARIABLE: str(Path(named).resolve())} if named else {}


def _trial(folder: Path, config: TrialConfig) -> dict[str, str]:
    """Variables to set for a challenger."""
    return {CHALLENGER_VARIABLE: str(folder.resolve()), TRIAL_VARIABLE: config.model_dump_json()}


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path, start_seconds: float) -> None:
    deadline = time.monotonic() + start_seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(
                f"the service must stay up, but it stopped with {process.returncode}: {_tail(log)}"
            )
        if _FAILED in log.read_text(errors="replace"):
            raise RuntimeError(f"the service must load its bundle, but it could not: {_tail(log)}")
        if _is_ready(url):
            return
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"the service must be ready in {start_seconds:g} s, but is not: {_tail(log)}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _tail(log: Path, n_lines: int = 15) -> str:
    lines = log.read_text(errors="replace").splitlines()[-n_lines:]
    return "\n".join([f"see {log}", *lines])
