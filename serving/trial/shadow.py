"""Shadow: the champion answers, and the challenger is asked the same when nobody waits."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from serving.answers.answer_log import AnswerLog
from serving.door.schemas import RecommendRequest, RecommendResponse
from serving.trial.arm import Answered, Arm
from serving.trial.config import TrialConfig
from serving.trial.mirror import Mirror
from serving.trial.record import TrialRecord
from serving.trial.split import is_in_share


class Shadow:
    """Answers by the champion and mirrors what it answered.

    Args:
        champion: answers everybody.
        challenger: sees a share of the users; nobody gets its lists.
        config: share, salt, longest wait and queue.
        record: what happens is told to it.
        log: keeps the challenger's lists; None where answers are not kept.
    """

    def __init__(
        self,
        champion: Arm,
        challenger: Arm,
        config: TrialConfig,
        record: TrialRecord,
        log: AnswerLog | None,
    ) -> None:
        self._champion = champion
        self._challenger = challenger
        self._config = config
        self._record = record
        self._log = log
        self._salt = config.salt or challenger.answerer.lineage.bundle
        self._mirror = Mirror(self._see, champion.batcher.idle, config.max_waiting)

    async def answer(self, requests: Sequence[RecommendRequest]) -> list[Answered]:
        """Answer all of `requests` by the champion, in their order."""
        return await asyncio.gather(*(self._one(request) for request in requests))

    def mirror(self, request: RecommendRequest, response: RecommendResponse) -> None:
        """Let the challenger see a request whose answer is made; returns at once."""
        chosen = is_in_share(request, share=self._config.share, salt=self._salt)
        if not chosen or not self._challenger.answerer.knows(request):
            return
        if not self._mirror.offer((request, response)):
            self._record.dropped()

    async def close(self) -> None:
        """Stop mirroring."""
        await self._mirror.close()

    async def _one(self, request: RecommendRequest) -> Answered:
        answered, latency_ms = await self._champion.ask_counted(request, self._record)
        note = self._record.note("champion", "champion", latency_ms)
        return replace(answered, response=answered.response.model_copy(update={"arm": "champion"}), note=note)

    async def _see(self, seen: tuple[RecommendRequest, RecommendResponse]) -> None:
        """Ask the challenger; whatever it does, nobody notices but the record."""
        request, ours = seen
        if self._record.reverted is not None:  # while it waited
            return
        try:
            answered, latency_ms = await self._challenger.ask(request, self._config.timeout_ms)
        except Exception as raised:
            said = self._record.failed(raised)
            if self._log is not None and ours.id is not None:
                self._log.note_failed_mirror(ours.id, said)
            return
        self._record.compared(ours, answered.response)
        self._record.answered("challenger", latency_ms)
        if self._log is not None and ours.id is not None:
            self._log.note_mirror(ours.id, answered.response, latency_ms)
