"""Steps: the versions of a catalogue without their models: what was changed, in order, and what undoes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from serving.catalogue.edits import Edits
from serving.catalogue.journal import Line
from serving.catalogue.schemas import Act, CatalogueChange

KEPT_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Step:
    """A version without its models.

    Attributes:
        act: number, digest, time and kind.
        before: number of the version that a revert from here goes to; None at the first that is kept.
        edits: all changes up to it.
    """

    act: Act
    before: int | None
    edits: Edits


class CannotRevert(ValueError):
    """There is no such version to go back to."""


class Steps:
    """The newest versions, of which each was made from an earlier one.

    Args:
        bundle: digest of the bundle that is changed.
        known: keys of its items.
        began_at: Unix seconds UTC, of version 0.
    """

    def __init__(self, bundle: str, known: Mapping[str, object], began_at: float) -> None:
        self._bundle = bundle
        self._known = known
        first = Act(version=0, digest="", at=began_at, what="bundle")
        self._steps = {0: Step(first, None, Edits())}

    def __iter__(self) -> Iterator[Step]:
        """Oldest first."""
        return iter(self._steps.values())

    @property
    def newest(self) -> Step:
        """The version that answers, or will."""
        return self._steps[max(self._steps)]

    def changed(self, change: CatalogueChange, at: float) -> Step:
        """The version after a change; it is not kept yet."""
        return self.named(self._after(change, at))

    def reverted(self, target: int, at: float) -> Step:
        """The version with the content of an older one; it is not kept yet."""
        step = self._steps[target]
        act = Act(version=self._next(), digest=step.act.digest, at=at, what="revert", to=target)
        return Step(act, step.before, step.edits)

    def keep(self, step: Step) -> None:
        """Make it the newest; the oldest of more than `KEPT_VERSIONS` are forgotten."""
        self._steps[step.act.version] = step
        while len(self._steps) > KEPT_VERSIONS:
            del self._steps[min(self._steps)]

    def replay(self, line: Line) -> None:
        """Keep an act of an earlier process, maybe with another bundle; its digest comes with `name_all`."""
        if line.change is not None:
            step = self._after(line.change, line.at)
        else:
            step = self.reverted(line.to if line.to in self._steps else min(self._steps), line.at)
        self.keep(replace(step, act=step.act.model_copy(update={"version": line.version})))

    def name_all(self) -> None:
        """Give each version its digest; a long journal would take as many of them to replay."""
        self._steps = {number: self.named(step) for number, step in self._steps.items()}

    def named(self, step: Step) -> Step:
        """With its digest."""
        digest = step.edits.digest(self._bundle)
        return replace(step, act=step.act.model_copy(update={"digest": digest}))

    def target(self, to: int | None) -> int:
        """The version that a revert goes to, None for the one before the newest.

        Raises:
            CannotRevert: it is not kept, is the newest itself, or there is none before.
        """
        now = self.newest
        target = now.before if to is None else to
        if target is None or target not in self._steps or target == now.act.version:
            came = "there is none before the present one" if to is None else f"got {to}"
            kept = ", ".join(str(number) for number in self._steps)
            raise CannotRevert(
                f"a revert goes to an earlier version that is kept ({kept}), but {came}: see GET /catalogue."
            )
        return target

    def _after(self, change: CatalogueChange, at: float) -> Step:
        now = self.newest
        act = Act(version=self._next(), digest="", at=at, what="change", items=len(change.items))
        return Step(act, now.act.version, now.edits.after(change, self._known))

    def _next(self) -> int:
        return max(self._steps) + 1
