"""Questions: `POST /recommend` and `/recommend/many`: read, ask the model or the trial, note, reply."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.answers.answer_log import AnswerLog
from serving.catalogue.check import checked
from serving.door.schemas import (
    RecommendManyRequest,
    RecommendManyResponse,
    RecommendRequest,
    RecommendResponse,
)
from serving.door.wire import Refusal, read, refuse, reply
from serving.events.feedback import Feedback
from serving.metrics import Metrics
from serving.trial.arm import Answered, Arm
from serving.trial.trial import Trial


@dataclass(frozen=True, slots=True)
class Questions:
    """Who answers, and who is told.

    Attributes:
        champion: answers where no trial runs.
        trial: answers while it runs; None for none.
        metrics: told each answer and each refusal.
        log: keeps answers; None where none are kept.
        feedback: told what was shown; None where events are not kept.
    """

    champion: Arm
    trial: Trial | None
    metrics: Metrics
    log: AnswerLog | None
    feedback: Feedback | None

    async def answer(self, requests: list[RecommendRequest]) -> list[RecommendResponse] | Refusal:
        """The answers in the order of `requests`, or why none is answered."""
        from serving.answers.query import Unanswerable

        try:
            if self.trial is not None and self.trial.is_running:
                answered = await self.trial.answer(requests)
            elif len(requests) == 1:  # a task less than `gather`
                answered = [(await self.champion.ask(requests[0]))[0]]
            else:
                asked = await asyncio.gather(*(self.champion.ask(request) for request in requests))
                answered = [each for each, _ in asked]
        except Unanswerable as error:
            return Refusal(400, str(error))
        return [self._noted(each) for each in answered]

    def _noted(self, answered: Answered) -> RecommendResponse:
        """Check, count and keep an answer, and let a shadow see it; the response as it goes out."""
        request, query = answered.request, answered.query
        response = checked(request, answered.response, query.answerer, self.metrics, query.past.items)
        self.metrics.answered(request, response)
        if self.log is not None:
            response = self.log.note(request, response, answered.note, query.past.recent)
        if self.feedback is not None:
            self.feedback.shown(request, response)
        if self.trial is not None and self.trial.is_running:
            self.trial.mirror(request, response)
        return response


def question_routes() -> list[Route]:
    """The routes; `state.questions` of their app is `Questions`."""
    return [
        Route("/recommend", _one, methods=["POST"]),
        Route("/recommend/many", _many, methods=["POST"]),
    ]


async def _one(request: Request) -> Response:
    """The best k items for one history or one user."""
    questions: Questions = request.app.state.questions
    body = await read(request, RecommendRequest)
    answers = body if isinstance(body, Refusal) else await questions.answer([body])
    return _refused(questions, answers) if isinstance(answers, Refusal) else reply(answers[0])


async def _many(request: Request) -> Response:
    """Several requests at once; the answers are those of one by one."""
    questions: Questions = request.app.state.questions
    body = await read(request, RecommendManyRequest)
    answers = body if isinstance(body, Refusal) else await questions.answer(body.requests)
    if isinstance(answers, Refusal):
        return _refused(questions, answers)
    return reply(RecommendManyResponse.model_construct(answers=answers))


def _refused(questions: Questions, refusal: Refusal) -> Response:
    questions.metrics.refused(refusal.status)
    return refuse(refusal)
