"""Service: the HTTP face of one bundle: translate, call, translate. Decides nothing about lists.

Served from a Bento, or from a checkout with ENCORE_BUNDLE naming a bundle:
`bentoml serve serving.service:RecommenderService`.
"""

import asyncio
import gc
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bentoml
from starlette.responses import Response

from serving.answer_log import AnswerLog
from serving.batching import BatchConfig, MicroBatcher
from serving.guard import Guard, check_host, host_of_command
from serving.metrics import Metrics
from serving.pages import pages
from serving.schemas import (
    RecommendManyRequest,
    RecommendManyResponse,
    RecommendRequest,
    RecommendResponse,
)
from serving.settings import PACKED_LINEAGE, answers_folder, bundle_path, token
from serving.wire import Asked, RecommendBody, RecommendManyBody, Refusal, refuse, reply

if TYPE_CHECKING:  # the supervisor process imports this file too and needs no torch
    from serving.answer import Answerer, Query

logger = logging.getLogger(__name__)

_PAGES = pages()


@bentoml.service(
    name="recommender",
    workers=1,
    traffic={"timeout": 30, "max_concurrency": 1024},
    http={"host": "127.0.0.1", "port": 3000},
    logging={"access": {"enabled": False}},  # /metrics counts; a line per request costs throughput
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}],  # two threads are slower on shared cores
)
class RecommenderService:
    """Recommends items for a history or a known user.

    `POST /recommend` answers one request, `POST /recommend/many` several. GET: `/` a page to try it, `/info`
    what is served, `/livez`, `/readyz`, `/metrics`, `/docs.json`. A refusal is `{"error": one line}`.
    """

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.answerer = load_answerer(_own_tag())
        folder = answers_folder()
        self.log = None if folder is None else AnswerLog(folder)
        self.batcher: MicroBatcher[Query, RecommendResponse] = MicroBatcher(self._call, BatchConfig())
        warm_up(self.answerer)
        gc.collect()
        gc.freeze()  # a full collection over the libraries' objects stops every request for 0.25 s
        _PAGES.state.answerer = self.answerer

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Stop `bentoml serve` before it starts a worker that could never answer."""
        bundle_path()
        check_host(host_of_command() or "127.0.0.1", has_token=token() is not None)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Let go of the batcher."""
        await self.batcher.close()

    @bentoml.api(input_spec=RecommendBody, output_spec=RecommendResponse)
    async def recommend(self, asked: Asked[RecommendRequest], /) -> Response:
        """The best k items for one history or one known user."""
        if isinstance(asked.body, Refusal):
            return self._refuse(asked.body)
        answers = await self._answer([asked.body])
        return self._refuse(answers) if isinstance(answers, Refusal) else reply(answers[0])

    @bentoml.api(route="/recommend/many", input_spec=RecommendManyBody, output_spec=RecommendManyResponse)
    async def recommend_many(self, asked: Asked[RecommendManyRequest], /) -> Response:
        """Several requests at once; the answers are those of one by one."""
        if isinstance(asked.body, Refusal):
            return self._refuse(asked.body)
        answers = await self._answer(asked.body.requests)
        if isinstance(answers, Refusal):
            return self._refuse(answers)
        return reply(RecommendManyResponse.model_construct(answers=answers))

    async def _answer(self, requests: list[RecommendRequest]) -> list[RecommendResponse] | Refusal:
        from serving.answer import UnknownUser

        try:
            queries = [self.answerer.translate(request) for request in requests]
        except UnknownUser as error:
            return Refusal(404, str(error))
        answers = await asyncio.gather(*(self.batcher.ask(query) for query in queries))
        for request, query, answer in zip(requests, queries, answers, strict=True):
            self.metrics.answered(request, answer, len(query.items))
        if self.log is None:
            return answers
        return [self.log.note(*both) for both in zip(requests, answers, strict=True)]

    def _call(self, queries: Sequence["Query"]) -> list[RecommendResponse]:
        start = time.perf_counter()
        answers = self.answerer.answer(queries)
        self.metrics.called(queries, time.perf_counter() - start)
        return answers

    def _refuse(self, refusal: Refusal) -> Response:
        self.metrics.refused(refusal.status)
        return refuse(refusal)


_SERVICE: Any = RecommenderService  # to type checkers the decorated name is still the class
_SERVICE.mount_asgi_app(_PAGES, path="/", name="pages")
_SERVICE.add_asgi_middleware(Guard)


def load_answerer(bento: str | None) -> "Answerer":
    """The bundle of this process, ready to answer.

    Args:
        bento: tag of the Bento, None outside one.
    """
    from models import bundle
    from serving.answer import Answerer

    path = bundle_path()
    loaded = bundle.load(path)
    if PACKED_LINEAGE.is_file():
        packed = json.loads(PACKED_LINEAGE.read_text())
        loaded = replace(loaded, lineage={**loaded.lineage, **packed})
    logger.info("event=bundle_loaded path=%s family=%s", path, loaded.recommender.family)
    return Answerer(loaded, bundle.digest(path), bento)


def warm_up(answerer: "Answerer") -> None:
    """Answer once alone and once in a batch, so that no caller pays for lazy set-up."""
    first = RecommendRequest(history=answerer.bundle.catalogue.keys[:3])
    for n_requests in (1, 2):
        answerer.recommend([first] * n_requests)


def _own_tag() -> str | None:
    return None if _SERVICE.bento is None else str(_SERVICE.bento.tag)
