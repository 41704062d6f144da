"""Canary: the challenger answers a share of the users, and the champion where it cannot."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from serving.door.schemas import RecommendRequest
from serving.trial.arm import Answered, Arm
from serving.trial.config import ArmName, TrialConfig
from serving.trial.record import TrialRecord
from serving.trial.split import is_in_share


class Canary:
    """Answers requests by the arm of their user.

    Users that both arms know are split by hash. A user that only one knows is answered by that one, a user
    that none knows by the champion, and neither is part of the comparison. Once the challenger is given up
    the champion answers everybody.

    Args:
        champion: answers whom the split gives it, and whoever the challenger fails.
        challenger: answers the share.
        config: share, salt and longest wait.
        record: what happens is told to it.
    """

    def __init__(self, champion: Arm, challenger: Arm, config: TrialConfig, record: TrialRecord) -> None:
        self._champion = champion
        self._challenger = challenger
        self._config = config
        self._record = record
        self._salt = config.salt or challenger.answerer.lineage.bundle

    async def answer(self, requests: Sequence[RecommendRequest]) -> list[Answered]:
        """Answer all of `requests`, in their order."""
        routes = [self._route(request) for request in requests]
        return await asyncio.gather(
            *(self._one(request, *route) for request, route in zip(requests, routes, strict=True))
        )

    def _route(self, request: RecommendRequest) -> tuple[ArmName, ArmName | None]:
        """The arm that is to answer, and the arm of the split; None where there was no choice."""
        ours, theirs = (arm.answerer.knows(request) for arm in (self._champion, self._challenger))
        if not theirs:
            return "champion", None
        if not ours:
            return "challenger", None
        chosen = is_in_share(request, share=self._config.share, salt=self._salt)
        arm: ArmName = "challenger" if chosen else "champion"
        return arm, arm

    async def _one(self, request: RecommendRequest, arm: ArmName, assigned: ArmName | None) -> Answered:
        start, error = time.perf_counter(), None
        if arm == "challenger":
            try:
                answered, latency_ms = await self._challenger.ask(request, self._config.timeout_ms)
                self._record.answered("challenger", latency_ms)
                return self._signed(answered, "challenger", assigned, latency_ms, None)
            except Exception as raised:  # whatever it is, the caller shall not notice
                error = self._record.failed(raised)
        answered, _ = await self._champion.ask_counted(request, self._record)
        latency_ms = (time.perf_counter() - start) * 1000
        return self._signed(answered, "champion", assigned, latency_ms, error)

    def _signed(
        self,
        answered: Answered,
        arm: ArmName,
        assigned: ArmName | None,
        latency_ms: float,
        error: str | None,
    ) -> Answered:
        """The answer with its arm, and what the log keeps."""
        why = {} if error is None else {"error": error}
        note = self._record.note(arm, assigned, latency_ms, **why)
        return replace(answered, response=answered.response.model_copy(update={"arm": arm}), note=note)
