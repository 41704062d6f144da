"""encore up: Prefect server, MLflow and the champion's service, on loopback, until Ctrl-C."""

import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from flows.environment import Home, home, of_child
from flows.record.promotion import pointed
from flows.tracking.tracker import make_store
from serving.process import LOOPBACK, running, stop

START_SECONDS = 180.0


def run(prefect_port: int, mlflow_port: int, service_port: int) -> None:
    """Start what there is to start, print where it is, stop it all at SIGINT or SIGTERM."""
    here, console, done = home(), Console(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with ExitStack() as stack:
        console.print("Starting, this takes half a minute...", style="dim")
        rows = [
            ("Prefect: runs, schedules", stack.enter_context(prefect_server(here, prefect_port))),
            ("MLflow: experiments, models", stack.enter_context(mlflow_server(here, mlflow_port))),
            ("Recommendations", _service(stack, here, service_port)),
        ]
        console.print(_table(rows))
        console.print(f"In other terminals: export PREFECT_API_URL={rows[0][1]}/api", highlight=False)
        console.print("Ctrl-C stops all of it.")
        done.wait()
        console.print("Stopping...", style="dim")


def _service(stack: ExitStack, here: Home, port: int) -> str:
    release = pointed(here.pointer)
    if release is None:
        return "no champion yet: encore retrain"
    log = here.logs / "serve.log"
    return stack.enter_context(
        running(
            release.bento,
            log=log,
            home=here.bentos,
            port=port,
            answers=here.answers,
            events=here.events,
            catalogue=here.catalogue,
        )
    )


def prefect_server(here: Home, port: int) -> AbstractContextManager[str]:
    """A Prefect server on loopback for as long as the block runs; yields its address."""
    words = ["prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]
    return _server(words, f"http://{LOOPBACK}:{port}", "/api/health", here.logs / "prefect.log")


def mlflow_server(here: Home, port: int) -> AbstractContextManager[str]:
    """MLflow's server over the project's store, as long as the block runs; yields its address.

    Where the project's store is a server already, it is that one.
    """
    if here.tracking_uri.startswith("http"):
        return nullcontext(here.tracking_uri)
    make_store(here.tracking_uri)
    words = ["mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    words += ["--default-artifact-root", here.files_url]
    # It may hold a password, which everybody could read in the process list.
    store = {"MLFLOW_BACKEND_STORE_URI": here.tracking_uri}
    return _server(words, f"http://{LOOPBACK}:{port}", "/health", here.logs / "mlflow.log", store)


@contextmanager
def _server(
    words: list[str], url: str, health: str, log: Path, own: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A server of another package, run by this interpreter; yields its address once it answers.

    Raises:
        RuntimeError: it stopped, or does not answer in time; the message names its log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            env=of_child(own or {}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, url + health, words[0], log)
            yield url
        finally:
            stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, name: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{name} must stay up, but it stopped with {process.returncode}: see {log}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{name} must answer in {START_SECONDS:g} s, but does not: see {log}")


def _table(rows: list[tuple[str, str]]) -> Table:
    table = Table(box=SIMPLE, show_header=False)
    for what, where in rows:
        table.add_row(what, f"[link]{where}[/]" if where.startswith("http") else where)
    return table
