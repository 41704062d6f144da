"""encore schedule: a Prefect deployment of the retrain flow, and the process that runs it on time."""

import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console

from flows.environment import prefect_url, use_prefect

LOCAL = "http://127.0.0.1:4200/api"


def run(path: Path, cron: str) -> None:
    """Register the schedule and run what becomes due, until Ctrl-C.

    Raises:
        ValueError: no Prefect server answers, or the config cannot be run.
    """
    url = prefect_url() or LOCAL
    _check_server(url)
    use_prefect(url)
    from prefect.types.entrypoint import EntrypointType  # imported late: Prefect reads the address

    from flows.config import load
    from flows.retrain import retrain

    config = load(path)
    Console().print(f"[bold]{config.name}[/] retrains at [bold]{cron}[/] (UTC). Runs: {url}. Ctrl-C stops.")
    retrain.serve(
        name=config.name,
        cron=cron,
        parameters={"config_file": str(path.resolve())},
        limit=1,
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_starting_message=False,
    )


def _check_server(url: str) -> None:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return
    except (urllib.error.URLError, OSError) as error:
        raise ValueError(
            f"a schedule needs a Prefect server, but {url} does not answer: start `encore up`, or set "
            "PREFECT_API_URL."
        ) from error
