"""encore serve: the champion over HTTP, alone or with a challenger, until it is told to stop."""

import signal
import threading
from pathlib import Path

from rich.console import Console

from flows.commands.champion import champion
from flows.environment import home
from flows.trial.challenger import config_of, packed
from serving.place import place_of
from serving.process import running
from serving.trial.config import TrialConfig


def run(
    port: int, host: str, challenger: str | None, shadow: bool, canary: float | None, settings: Path | None
) -> None:
    """Block until SIGINT or SIGTERM."""
    release, here, console = champion(), home(), Console()
    trial = None
    if challenger is not None:
        config = config_of(shadow=shadow, canary=canary, settings=settings)
        trial = packed(here, challenger, release), config
    elif shadow or canary is not None or settings is not None:
        raise ValueError(
            "--shadow, --canary and --trial need a second model, but got none: name it with --challenger."
        )
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    log = here.logs / "serve.log"
    with running(
        release.bento,
        log=log,
        home=here.bentos,
        port=port,
        host=host,
        answers=here.answers,
        events=here.events,
        trial=trial,
        catalogue=here.catalogue,
    ) as url:
        console.print(f"[bold]{release.bento}[/bold] ({release.family}) answers at {url}", soft_wrap=True)
        if trial is not None:
            console.print(_on_trial(*trial), soft_wrap=True)
        console.print("Try it in a browser, or:")
        console.print(
            f'curl -s {url}/recommend -d \'{{"history": [], "k": 5}}\'', soft_wrap=True, markup=False
        )
        done.wait()


def _on_trial(folder: Path, config: TrialConfig) -> str:
    what = "answers" if config.mode == "canary" else "sees"
    return (
        f"[bold]{place_of(folder).bento}[/bold] {what} {config.share:.0%} of the users as {config.mode}; "
        "`encore trial` compares, /info says whether it was given up"
    )
