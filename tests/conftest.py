"""Every test runs with telemetry off and in a home of its own, whatever the caller's environment says."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import settings

from flows import environment

POSTGRES_PASSWORD = "s3cret/word"  # a slash, so that URLs must encode it

_SCRATCH = tempfile.TemporaryDirectory(prefix="encore-tests-")
for _name in (
    "ENCORE_ANSWERS",
    "ENCORE_ANSWERS_DAYS",
    "ENCORE_ANSWERS_MB",
    "ENCORE_CATALOGUE",
    "ENCORE_CHALLENGER",
    "ENCORE_EVENTS",
    "ENCORE_EVENTS_KINDS",
    "ENCORE_HOME",
    "ENCORE_IN_FLIGHT",
    "ENCORE_LEDGER_URL",
    "ENCORE_LOG",
    "ENCORE_MAX_BATCH",
    "ENCORE_ORIGINS",
    "ENCORE_PATIENCE_MS",
    "ENCORE_RATE",
    "ENCORE_STUDIES_URL",
    "ENCORE_TIMEOUT",
    "ENCORE_TOKEN",
    "ENCORE_TOKENS",
    "ENCORE_TOKENS_FILE",
    "ENCORE_TRIAL",
    "ENCORE_USER_SALT",
    "BENTOML_HOME",
    "MLFLOW_TRACKING_URI",
    "PREFECT_API_URL",
    "PREFECT_HOME",
):
    os.environ.pop(_name, None)
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # tests share two cores
environment.prepare(Path(_SCRATCH.name))  # before any vendor is imported
settings.register_profile("any machine", deadline=None)  # no example fails because others use the processor
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _scratch() -> Iterator[None]:
    """Remove the home of the session at its end."""
    yield
    _SCRATCH.cleanup()


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _account() -> dict[str, str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    return {"user": "postgres" if "postgres" in names else "nobody"}


@pytest.fixture
def postgres() -> Iterator[str]:
    """URL of a real server on loopback that asks for a password; a skip where none is installed."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    with tempfile.TemporaryDirectory(prefix="pg-") as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        home = Path(name)
        account = _account()
        if account:
            shutil.chown(home, account["user"])
        (home / "pw").write_text(POSTGRES_PASSWORD)
        (home / "pw").chmod(0o644)
        cluster = home / "cluster"
        run: dict[str, object] = {"check": True, "cwd": home, "capture_output": True, **account}
        setup = [binaries / "initdb", "-D", cluster, "-U", "shop", "-A", "scram-sha-256"]
        subprocess.run([*setup, f"--pwfile={home / 'pw'}", "-E", "UTF8", "--no-sync"], **run)
        control = [binaries / "pg_ctl", "-D", cluster, "-w", "-l", home / "log"]
        options = f"-h 127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off"
        subprocess.run([*control, "-o", options, "start"], **run | {"capture_output": False})
        try:
            yield sqlalchemy.URL.create(
                "postgresql+psycopg", "shop", POSTGRES_PASSWORD, "127.0.0.1", port, "postgres"
            ).render_as_string(hide_password=False)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **run)
