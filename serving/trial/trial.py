"""Trial: champion and challenger in one service, as shadow or canary, until the challenger is given up."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from serving.answers.answer_log import AnswerLog
from serving.door.schemas import RecommendRequest, RecommendResponse
from serving.trial.arm import Answered, Arm
from serving.trial.canary import Canary
from serving.trial.config import TrialConfig
from serving.trial.metrics import TrialMetrics
from serving.trial.record import TrialRecord
from serving.trial.shadow import Shadow


@dataclass(frozen=True, slots=True)
class Trial:
    """A running trial.

    Attributes:
        config: how the challenger is tried.
        record: what happened so far.
        way: what answers requests; None where the challenger could not be loaded.
        challenger: the second model; None likewise.
    """

    config: TrialConfig
    record: TrialRecord
    way: Canary | Shadow | None
    challenger: Arm | None

    @classmethod
    def begin(
        cls,
        champion: Arm,
        challenger: Arm,
        config: TrialConfig,
        log: AnswerLog | None,
        metrics: TrialMetrics,
    ) -> "Trial":
        """Put the arms to work."""
        ours, theirs = champion.answerer.lineage, challenger.answerer.lineage
        named = {"mode": config.mode, "champion": ours.bundle, "challenger": theirs.bundle}
        record = TrialRecord(config, metrics, named)
        if config.mode == "canary":
            way: Canary | Shadow = Canary(champion, challenger, config, record)
        else:
            way = Shadow(champion, challenger, config, record, log)
        return cls(config, record, way, challenger)

    @classmethod
    def impossible(cls, config: TrialConfig, reason: str, metrics: TrialMetrics) -> "Trial":
        """A trial that ended before it began, because the challenger could not be loaded."""
        record = TrialRecord(config, metrics, {})
        record.revert("loading", reason)
        return cls(config, record, None, None)

    @property
    def is_running(self) -> bool:
        """Whether the challenger is still used."""
        return self.record.reverted is None

    async def answer(self, requests: Sequence[RecommendRequest]) -> list[Answered]:
        """Answer all of `requests` while the trial runs; see `Canary` and `Shadow`."""
        assert self.way is not None
        return await self.way.answer(requests)

    def mirror(self, request: RecommendRequest, response: RecommendResponse) -> None:
        """Let a shadow see what was answered; a canary saw its own."""
        if isinstance(self.way, Shadow):
            self.way.mirror(request, response)

    def info(self) -> dict[str, object]:
        """What is on trial, and what became of it."""
        reverted = self.record.reverted
        return {
            **self.config.model_dump(include={"mode", "share", "k"}),
            "challenger": None if self.challenger is None else self.challenger.answerer.lineage.model_dump(),
            "counts": self.record.counts(),
            "reverted": None if reverted is None else asdict(reverted),
        }

    async def close(self) -> None:
        """Let go of the challenger."""
        if isinstance(self.way, Shadow):
            await self.way.close()
        if self.challenger is not None:
            await self.challenger.batcher.close()
