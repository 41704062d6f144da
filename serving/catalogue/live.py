"""Live catalogue: versions of what can be recommended; the next is built beside the one that answers.

A version is a number, edits and one warm answerer for each arm. It is built in a worker thread, kept on disk
where a folder is named, and then swapped in by one assignment: whoever was translated before is answered by
the version before. A revert makes a new version with the content of an older one.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from serving.catalogue.build import Built, build
from serving.catalogue.edits import check
from serving.catalogue.journal import Journal, Line
from serving.catalogue.schemas import ArmState, CatalogueChange, CatalogueState
from serving.catalogue.steps import Step, Steps
from serving.catalogue.turns import short_turns
from serving.metrics import Metrics
from serving.trial.config import ArmName

if TYPE_CHECKING:
    from serving.answers.answerer import Answerer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Version:
    """What answers now: a step and the answerers of the arms."""

    step: Step
    arms: Mapping[ArmName, Built]


class LiveCatalogue:
    """The catalogue of one service process; belongs to one event loop, but for building.

    Args:
        bases: the loaded bundle of each arm; the champion's says which items and columns are known.
        journal: where acts are kept; None keeps them in memory.
        metrics: told each version.

    Raises:
        ValueError: a line of the journal is damaged.
    """

    def __init__(
        self, bases: "Mapping[ArmName, Answerer]", journal: Journal | None, metrics: Metrics
    ) -> None:
        self._bases = bases
        self._journal = journal
        self._metrics = metrics
        self._turn = asyncio.Lock()
        self._acts: set[asyncio.Task[CatalogueState]] = set()
        self._builder = ThreadPoolExecutor(1, "catalogue")  # one, which takes again the memory that it freed
        champion = bases["champion"]
        self._steps = Steps(champion.lineage.bundle, champion.bundle.catalogue.id_of, time.time())
        for line in journal.lines() if journal else ():
            self._steps.replay(line)
        self._steps.name_all()
        newest = self._steps.newest
        self._earlier: Version | None = None
        self.current = Version(newest, self._arms(newest, ()))
        self._tell()

    def seat(self, arm: ArmName) -> "Seat":
        """Gives the answerer of an arm that answers now."""
        return Seat(self, arm)

    async def change(self, change: CatalogueChange) -> CatalogueState:
        """Add, change and hide items; returns once the new version answers.

        Raises:
            ValueError: an item or a field is refused, or the champion cannot take on new items; nothing
                changed.
            OSError: the change could not be kept; nothing changed.
        """
        return await self._to_its_end(self._change(change))

    async def revert(self, to: int | None = None) -> CatalogueState:
        """Go back to version `to`, or to the one before the present one.

        Raises:
            CannotRevert: it is not kept, is the present one, or there is none before.
            OSError: the act could not be kept; nothing changed.
        """
        return await self._to_its_end(self._revert(to))

    def state(self) -> CatalogueState:
        """What is there now."""
        step, arms = self.current.step, self.current.arms
        champion = self._bases["champion"].bundle.catalogue.id_of
        edits, there = step.edits, arms["champion"].answerer.bundle.catalogue.id_of.keys()
        return CatalogueState(
            version=step.act.version,
            digest=step.act.digest,
            items=len(arms["champion"].answerer.bundle.catalogue),
            added=len(edits.born.keys() - champion.keys()),
            changed=len(edits.fields.keys() & champion.keys()),
            hidden=len(there & edits.hidden),
            out_of_stock=sum(not edits.stock[key] for key in there & edits.stock.keys()),
            kept="memory" if self._journal is None else "disk",
            arms={name: _arm_state(built) for name, built in arms.items()},
            history=[each.act for each in self._steps],
        )

    def close(self) -> None:
        """Give the journal and the thread back."""
        self._builder.shutdown()
        if self._journal is not None:
            self._journal.close()

    async def _to_its_end(self, act: Coroutine[Any, Any, CatalogueState]) -> CatalogueState:
        """An act that was begun ends, also where whoever asked does not wait: what is on disk must answer."""
        task = asyncio.create_task(act)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)
        return await asyncio.shield(task)

    async def _change(self, change: CatalogueChange) -> CatalogueState:
        async with self._turn:
            return await self._swap(lambda: self._changed(change), change, None)

    async def _revert(self, to: int | None) -> CatalogueState:
        async with self._turn:
            target = self._steps.target(to)
            return await self._swap(lambda: self._steps.reverted(target, time.time()), None, target)

    async def _aside(self, call: Callable[..., T], *arguments: Any) -> T:
        """In the thread that builds."""
        return await asyncio.get_running_loop().run_in_executor(self._builder, call, *arguments)

    @property
    def _bundle(self) -> str:
        return self._bases["champion"].lineage.bundle

    async def _swap(
        self, made: Callable[[], Step], change: CatalogueChange | None, to: int | None
    ) -> CatalogueState:
        """Build, keep, and let the new version answer."""
        version = await self._aside(self._prepared, made, change, to)
        gone, self._earlier, self.current = self._earlier, self.current, version
        if gone is not None and not _shares_models(gone, self._earlier):
            del gone
            await self._aside(gc.collect)  # answerers refer to themselves, and hold a model each
        self._steps.keep(version.step)
        self._tell()
        return self.state()

    def _prepared(self, made: Callable[[], Step], change: CatalogueChange | None, to: int | None) -> Version:
        """In a worker thread: the new version, built and on disk."""
        with short_turns():
            step = made()
            versions = [each for each in (self.current, self._earlier) if each is not None]
            version = Version(step, self._arms(step, versions))
            if change is not None:
                self._refuse_left_out(version)
            if self._journal is not None:
                self._journal.append(Line(step.act.version, step.act.at, self._bundle, change, to))
        return version

    def _changed(self, change: CatalogueChange) -> Step:
        now, known = self.current.step, self._bases["champion"].bundle.catalogue
        check(change, now.edits, known.id_of)
        known.check_fields({each.item: each.fields for each in change.items if each.fields})
        return self._steps.changed(change, time.time())

    def _arms(self, step: Step, earlier: Sequence[Version]) -> dict[ArmName, Built]:
        """Answerers of a version; models that were built before for the same new items are used again."""
        return {
            name: build(base, step.edits, step.act.version, [each.arms[name] for each in earlier])
            for name, base in self._bases.items()
        }

    def _refuse_left_out(self, version: Version) -> None:
        """Refuse new items that the champion cannot take on; those of an earlier bundle stay left out."""
        now, new = (each.arms["champion"].grown for each in (self.current, version))
        if new.left_out > now.left_out:
            raise ValueError(f"{new.left_out - now.left_out} new items cannot be added: {new.reason}")

    def _tell(self) -> None:
        state = self.state()
        self._metrics.catalogue(state.version, state.items, state.hidden)


def _shares_models(one: Version, other: Version) -> bool:
    return all(one.arms[name].grown is other.arms[name].grown for name in one.arms)


class Seat:
    """Where the answerer of an arm is found; ask anew for each request."""

    def __init__(self, live: LiveCatalogue, arm: ArmName) -> None:
        self._live, self._arm = live, arm

    @property
    def current(self) -> "Answerer":
        """The answerer of the version that answers now."""
        return self._live.current.arms[self._arm].answerer


def _arm_state(built: Built) -> ArmState:
    n_items = len(built.answerer.bundle.catalogue)
    return ArmState(items=n_items, left_out=built.grown.left_out, reason=built.grown.reason)
