"""Narration: the steps of a flow as they happen, on the terminal's error stream."""

import logging

from rich.console import Console
from rich.control import Control
from rich.markup import escape
from rich.segment import ControlType

from flows.compute.helpers import is_helper

OVERWRITE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
"""On a terminal: take the line of a bar, which the process that draws it soon draws again."""


class Narrator(logging.Handler):
    """Shows each step when it is done, with its seconds, and warnings; the rest is left to other handlers."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line for a step."""
        event, _, rest = record.getMessage().partition(" step=")
        if event == "event=step_done":
            words, _, seconds = rest.partition(" seconds=")
            self._show(words, f"{seconds.split()[0]} s")
        elif event == "event=step_found":
            self._show(rest.partition(" path=")[0], "unchanged, not run again")
        elif record.levelno >= logging.WARNING:
            self._console.print(f"[yellow]{escape(record.getMessage())}[/]", highlight=False, soft_wrap=True)

    def _show(self, words: str, state: str) -> None:
        if is_helper():
            self._console.control(OVERWRITE)
        self._console.print(f"[green]✓[/] {words:<28} [dim]{state}[/]", highlight=False)


class _TroubleOnly(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


def narrate() -> None:
    """Show steps, and keep the libraries' chatter away; warnings still come through."""
    for name in ("flows.steps", "flows.benchmark.pieces", "flows.benchmark.found"):
        steps = logging.getLogger(name)
        steps.setLevel(logging.INFO)
        steps.addHandler(Narrator(Console(stderr=True)))
        steps.propagate = False
    chatty = ("great_expectations.data_context.types.base", "mlflow", "alembic")
    for name in chatty:  # a level would not last: Great Expectations sets its own when it is imported
        logging.getLogger(name).addFilter(_TroubleOnly())
