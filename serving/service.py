"""Service: the HTTP face of one bundle: translate, call, translate. Decides nothing about lists.

Served from a Bento, or from a checkout with ENCORE_BUNDLE naming a bundle:
`bentoml serve serving.service:RecommenderService`.
"""

import gc
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import bentoml

from models.learning.memory import keep_one_heap
from serving.access.limits import BENTOML_SECONDS
from serving.access.metrics import DoorMetrics
from serving.answers.answer_log import AnswerLog
from serving.answers.batching import BatchConfig, MicroBatcher
from serving.door.guard import Guard, check_host, host_of_command
from serving.door.pages import pages
from serving.door.protocol import bound_heads
from serving.door.questions import Questions
from serving.door.schemas import RecommendResponse
from serving.events.opening import Events, check_events
from serving.metrics import Metrics
from serving.place import Place, check_challenger, place_of
from serving.settings import (
    PACKED_LINEAGE,
    answers_days,
    answers_folder,
    answers_megabytes,
    bundle_path,
    catalogue_folder,
    keyring,
    limits,
    logs_requests,
    max_batch,
    origins,
    patience_ms,
    trial,
    user_keys,
)
from serving.trial.arm import Arm
from serving.trial.config import ArmName
from serving.trial.metrics import TrialMetrics
from serving.trial.trial import Trial

if TYPE_CHECKING:  # the supervisor process imports this file too and needs no torch
    from serving.answers.answerer import Answerer
    from serving.answers.query import Query
    from serving.answers.recent import RecentEvents
    from serving.catalogue.live import LiveCatalogue

_PAGES = pages()


@bentoml.service(
    name="recommender",
    workers=1,
    traffic={"timeout": BENTOML_SECONDS},
    http={"host": "127.0.0.1", "port": 3000},
    logging={"access": {"enabled": False}},  # ENCORE_LOG
    metrics={"enabled": False},  # one time series for each path that a stranger asks for; see DoorMetrics
    envs=[
        {"name": "OMP_NUM_THREADS", "value": "1"},  # two threads are slower on shared cores
        {"name": "OTEL_SDK_DISABLED", "value": "true"},  # set it to false where spans are collected
    ],
)
class RecommenderService:
    """Recommends items for a history or a user.

    `POST /recommend` answers one request, `POST /recommend/many` several, `POST /similar` what is like an
    item, `POST /complete` what belongs to a basket. GET: `/` a page to try it, `/info` what is served,
    `/items/KEY` what is known of an item, `/livez`, `/readyz`, `/metrics`, `/docs.json`. A refusal is
    `{"error": one line}`. `POST /trial/revert` gives a challenger up. `PUT /catalogue` adds, changes and
    hides items, and `POST /catalogue/revert` undoes it. `POST /events` keeps what users did,
    `DELETE /users/KEY` forgets one of them.
    """

    def __init__(self) -> None:
        keep_one_heap()
        self.metrics = Metrics()
        self.events = Events.open()
        champion = load_answerer(_own_tag(), self.events.recent)
        self.metrics.served(champion.lineage)
        challenger, reason = _challenger(self.events.recent)
        self.live = live_catalogue(champion, challenger, self.metrics)
        self.log = _answer_log()
        self.feedback = self.events.feedback(self.log, self.live.seat("champion"))
        self.champion = self._champion()
        self.trial = self._begin_trial(reason)
        gc.collect()
        gc.freeze()  # a full collection over the libraries' objects stops every request for 0.25 s
        _PAGES.state.live, _PAGES.state.trial = self.live, self.trial
        _PAGES.state.champion, _PAGES.state.metrics = self.champion, self.metrics
        _PAGES.state.questions = Questions(self.champion, self.trial, self.metrics, self.log, self.feedback)
        _PAGES.state.answerer, _PAGES.state.feedback = self.live.seat("champion"), self.feedback

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Stop `bentoml serve` before it starts a worker that could never answer."""
        asked, champion = trial(), bundle_path()
        if asked is not None:
            check_challenger(asked[0], champion)
        answers_days()
        answers_megabytes()
        patience_ms(), max_batch()
        check_events()
        limits(), origins(), logs_requests()
        check_host(host_of_command() or "127.0.0.1", has_token=len(keyring()) > 0)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Let go of the batchers."""
        if self.trial is not None:
            await self.trial.close()
        await self.champion.batcher.close()
        self.live.close()
        if self.feedback is not None:
            await self.feedback.close()

    def _champion(self) -> Arm:
        batcher: MicroBatcher[Query, RecommendResponse] = MicroBatcher(self._call, _batches())
        return Arm("champion", self.live.seat("champion"), batcher, stands_in=True, patience_ms=patience_ms())

    def _begin_trial(self, reason: str | None) -> Trial | None:
        """The trial that the settings ask for; `reason` says why its challenger could not be loaded."""
        from serving.answers.answerer import answer_all

        asked = trial()
        if asked is None:
            return None
        if reason is not None:
            return Trial.impossible(asked[1], reason, TrialMetrics())
        batcher: MicroBatcher[Query, RecommendResponse] = MicroBatcher(answer_all, _batches())
        theirs = Arm("challenger", self.live.seat("challenger"), batcher)
        return Trial.begin(self.champion, theirs, asked[1], self.log, TrialMetrics())

    def _call(self, queries: Sequence["Query"]) -> list[RecommendResponse]:
        from serving.answers.answerer import answer_all

        start = time.perf_counter()
        answers = answer_all(queries)
        self.metrics.called(queries, time.perf_counter() - start)
        return answers


_SERVICE: Any = RecommenderService  # to type checkers the decorated name is still the class
_SERVICE.mount_asgi_app(_PAGES, path="/", name="pages")


def load_answerer(bento: str | None, recent: "RecentEvents | None" = None) -> "Answerer":
    """The champion of this process, ready to answer.

    Args:
        bento: tag of the Bento, None outside one.
        recent: what users did since its bundle was made.
    """
    from serving.loading import load

    return load(Place(bundle_path(), PACKED_LINEAGE, bento), recent)


def _batches() -> BatchConfig:
    return BatchConfig(max_batch=max_batch())


def _answer_log() -> AnswerLog | None:
    folder = answers_folder()
    if folder is None:
        return None
    return AnswerLog(folder, answers_days(), answers_megabytes(), user_keys())


def _challenger(recent: "RecentEvents | None") -> "tuple[Answerer | None, str | None]":
    """The challenger that the settings name, or why it could not be loaded, which costs no answer."""
    from serving.loading import load

    asked = trial()
    if asked is None:
        return None, None
    try:
        return load(place_of(asked[0]), recent), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def live_catalogue(champion: "Answerer", challenger: "Answerer | None", metrics: Metrics) -> "LiveCatalogue":
    """The catalogue of both arms with the changes that were kept.

    Raises:
        ValueError: what was kept is damaged, or another service keeps its own there.
    """
    from serving.catalogue.journal import Journal
    from serving.catalogue.live import LiveCatalogue

    folder = catalogue_folder()
    arms: dict[ArmName, Answerer] = {"champion": champion}
    if challenger is not None:
        arms["challenger"] = challenger
    return LiveCatalogue(arms, None if folder is None else Journal(folder), metrics)


def _version() -> str | None:
    """Bundle and catalogue that answer, for the log; None before they do."""
    seat = getattr(_PAGES.state, "answerer", None)
    return None if seat is None else f"{seat.current.lineage.bundle[:12]}.{seat.current.version}"


def _own_tag() -> str | None:
    return None if _SERVICE.bento is None else str(_SERVICE.bento.tag)


bound_heads()
_SERVICE.add_asgi_middleware(Guard, version=_version, make_metrics=DoorMetrics, pages=_PAGES)
