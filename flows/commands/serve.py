"""encore serve: the champion over HTTP, until it is told to stop."""

import signal
import threading

from rich.console import Console

from flows.commands.champion import champion
from flows.environment import home
from serving.process import running


def run(port: int, host: str) -> None:
    """Block until SIGINT or SIGTERM."""
    release, here = champion(), home()
    log = here.logs / "serve.log"
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with running(release.bento, log=log, home=here.bentos, port=port, host=host, answers=here.answers) as url:
        console = Console()
        console.print(f"[bold]{release.bento}[/bold] ({release.family}) answers at {url}", soft_wrap=True)
        console.print("Try it in a browser, or:")
        console.print(
            f'curl -s {url}/recommend -d \'{{"history": [], "k": 5}}\'', soft_wrap=True, markup=False
        )
        done.wait()
