"""Steps: Prefect tasks whose artefact folder and cache key are named by the content of their inputs.

A step whose inputs, settings and code are unchanged is not run again. Its folder appears whole or not at all,
so a killed run continues behind the last finished step.
"""

import functools
import inspect
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from prefect import Task

from flows import fingerprint
from flows.environment import Home
from flows.files import drafted
from flows.tracking.costs import keep, metered

logger = logging.getLogger(__name__)

DIGITS = 16


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a step left behind, small enough to hand around.

    Attributes:
        path: its folder.
        digest: SHA-256, hex, of its content.
    """

    path: str
    digest: str

    def file(self, name: str) -> Path:
        """A file in the folder."""
        return Path(self.path) / name


class Placed(Protocol):
    """The retrain that a step belongs to; no part of any fingerprint."""

    @property
    def home(self) -> Home:
        """The folders of the project."""
        ...


def step(
    name: str, *, layers: tuple[str, ...], retries: int = 0, resumable: bool = False
) -> Callable[[Callable[..., None]], Task[..., Artefact]]:
    """Make `function(run, draft, **inputs)`, which fills the folder `draft`, a task.

    The task returns the artefact. It takes `run` and the inputs by keyword; inputs are artefacts, settings
    and plain values.

    Args:
        name: of the task and of the folder.
        layers: packages whose code the result depends on.
        retries: for steps that may fail for reasons that pass.
        resumable: whether a draft left by a killed run is continued.
    """

    def decorate(function: Callable[..., None]) -> Task[..., Artefact]:
        place = functools.partial(_folder, name, layers, function)

        @functools.wraps(function)
        def body(run: Placed, **inputs: Any) -> Artefact:
            folder, words = place(run, inputs), " ".join(_words(name, inputs))
            if folder.is_dir():
                logger.info("event=step_found step=%s path=%s", words, folder)
            else:
                with drafted(folder, keep=resumable) as draft:
                    with metered() as meter:
                        function(run, draft, **inputs)
                    keep(meter.cost, draft)
                seconds = meter.cost.wall_seconds
                logger.info("event=step_done step=%s seconds=%.1f path=%s", words, seconds, folder)
            return Artefact(str(folder), fingerprint.of_folder(folder))

        def cache_key(_: object, parameters: dict[str, Any]) -> str:
            inputs = {key: value for key, value in parameters.items() if key != "run"}
            folder = place(parameters["run"], inputs)
            # A folder that was deleted is made again, whatever Prefect remembers.
            return fingerprint.of(str(folder)) if folder.is_dir() else uuid.uuid4().hex

        signature = inspect.signature(function)
        kept = [value for key, value in signature.parameters.items() if key != "draft"]
        body.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return Task(
            fn=body,
            name=name,
            task_run_name=functools.partial(_title, name),
            cache_key_fn=cache_key,
            persist_result=True,
            result_serializer="json",
            retries=retries,
            retry_delay_seconds=2,
        )

    return decorate


def _folder(
    name: str,
    layers: tuple[str, ...],
    function: Callable[..., None],
    run: Placed,
    inputs: Mapping[str, Any],
) -> Path:
    content = {key: _content(value) for key, value in inputs.items()}
    source = fingerprint.of_file(Path(inspect.getfile(function)))
    key = fingerprint.of(name, fingerprint.of_code(*layers), source, content)[:DIGITS]
    return run.home.work / "-".join([*_words(name, inputs), key])


def _content(value: Any) -> Any:
    """What an input adds to the key: an artefact its digest, wherever its folder lies."""
    if isinstance(value, Artefact):
        return value.digest
    return [_content(each) for each in value] if isinstance(value, list) else value


def _words(name: str, inputs: Mapping[str, Any]) -> list[str]:
    labels = (inputs.get(key) for key in ("family", "name"))
    return [name, *(str(label) for label in labels if label)]


def _title(name: str) -> str:
    """Name of a task run in Prefect's UI, such as "tune sasrec"."""
    from prefect.runtime import task_run

    return " ".join(_words(name, task_run.parameters))
