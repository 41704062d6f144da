"""encore schedule: retraining by clock and by data on a Prefect server, and the worker that runs it."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from flows.config import RunConfig, load
from flows.environment import ALARMS_VARIABLE, alarm_addresses, home, prefect_url, use_prefect
from flows.processes import stop_whole
from flows.schedule.config import ScheduleConfig

LOCAL = "http://127.0.0.1:4200/api"
AT_ONCE = 2  # a retraining and a watch


def run(path: Path, cron: str | None, every_minutes: float | None) -> None:
    """Register the schedule and run what becomes due, until Ctrl-C.

    Args:
        path: config of the run.
        cron: instead of the config's clock; None leaves it.
        every_minutes: likewise.

    Raises:
        ValueError: no Prefect server answers, there is neither a clock nor a watch, or the config is not one.
    """
    config = with_clock(load(path), cron, every_minutes)
    url = prefect_url() or LOCAL
    _check_server(url)
    use_prefect(url)  # before Prefect is imported
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop_whole(0))
    _register(config, path, url)
    code = _worker(config).wait()
    raise RuntimeError(f"the worker must stay up, but it stopped with {code}: see what it said above.")


def with_clock(config: RunConfig, cron: str | None, every_minutes: float | None) -> RunConfig:
    """The config with another clock; as it is where none is given.

    Raises:
        ValueError: there is neither a clock nor a watch.
    """
    given = {"cron": cron, "every_minutes": every_minutes}
    schedule = config.schedule
    if any(given.values()):
        schedule = ScheduleConfig(**schedule.model_dump() | given)
    if (schedule.cron, schedule.every_minutes, schedule.watch_minutes) == (None, None, None):
        raise ValueError(
            "a schedule needs a time, but there is none: give --cron or --every, or set cron, every_minutes "
            "or watch_minutes in [schedule]."
        )
    return config.model_copy(update={"schedule": schedule})


def _register(config: RunConfig, path: Path, url: str) -> None:
    from prefect.client.orchestration import get_client

    from flows.record.last_run import is_running
    from flows.schedule.alarms import set_alarms, set_triggers
    from flows.schedule.catch_up import catch_up
    from flows.schedule.deploy import deploy_retrain, deploy_watch, make_pool

    make_pool()
    retrain, watch = deploy_retrain(config, path), deploy_watch(config, path)
    set_triggers(config.name, retrain)
    alarms = set_alarms(config.name, config.schedule, alarm_addresses(), retrain)
    policy, alive = config.schedule.catch_up, is_running(home())
    with get_client(sync_client=True) as client:
        kept, dropped = catch_up(client, retrain, policy, alive=alive)
        if watch is not None:
            catch_up(client, watch, "none", alive=False)  # to look once is enough
    schedule = config.schedule
    rows = [
        ("By clock", _clock(schedule)),
        ("By data", _minutes(schedule.watch_minutes) + (": new data, drift" if watch else "")),
        (
            "Alarms",
            ", ".join(alarms) or f"none: set {ALARMS_VARIABLE}, such as json://host/path mailto://...",
        ),
        ("Missed", f"{kept} to run now, {dropped} dropped" if kept or dropped else "nothing"),
        ("Runs", url.removesuffix("/api")),
    ]
    table = Table(title=f"{config.name} retrains itself. Ctrl-C stops.", box=SIMPLE, show_header=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _clock(schedule: ScheduleConfig) -> str:
    if schedule.cron is not None:
        return f"{schedule.cron} ({schedule.timezone})"
    return _minutes(schedule.every_minutes)


def _minutes(minutes: float | None) -> str:
    return "off" if minutes is None else f"every {minutes:g} minutes"


def _worker(config: RunConfig) -> "subprocess.Popen[bytes]":
    from flows.schedule.deploy import POOL

    words = ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", str(AT_ONCE)]
    words += ["--work-queue", config.name, "--name", f"encore {config.name}"]
    return subprocess.Popen([sys.executable, "-m", *words], stdin=subprocess.DEVNULL, start_new_session=True)


def _check_server(url: str) -> None:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return
    except (urllib.error.URLError, OSError) as error:
        raise ValueError(
            f"a schedule needs a Prefect server, but {url} does not answer: start `encore up`, or set "
            "PREFECT_API_URL."
        ) from error
