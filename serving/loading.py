"""Loading: a folder on disk to an `Answerer` that is warm; knows no server."""

import json
import logging
import math
from dataclasses import replace

from models import bundle
from serving.answers.answerer import Answerer
from serving.answers.recent import RecentEvents
from serving.door.schemas import RecommendRequest, RecommendResponse
from serving.place import Place

logger = logging.getLogger(__name__)


def load(place: Place, recent: RecentEvents | None = None) -> Answerer:
    """The model at `place`, ready to answer at full speed.

    Args:
        place: of the bundle.
        recent: what users did since it was made; None where nobody tells.

    Raises:
        ValueError: not a bundle, damaged, of another format, or what it answers is no list.
    """
    loaded = bundle.load(place.folder)
    if place.lineage.is_file():
        packed = json.loads(place.lineage.read_text())
        loaded = replace(loaded, lineage={**loaded.lineage, **packed})
    answerer = Answerer(loaded, bundle.digest(place.folder), place.bento, recent=recent)
    prove(answerer)
    logger.info("event=bundle_loaded path=%s family=%s", place.folder, loaded.recommender.family)
    return answerer


def prove(answerer: Answerer) -> None:
    """Warm the model up, and refuse one whose answers are no lists.

    Raises:
        ValueError: nothing is listed, an item twice, a score is not a number, or an answer alone differs from
            the same in a batch.
    """
    alone, *others = (answer for answers in warm_up(answerer) for answer in answers)
    listed = [line.item for line in alone.items]
    is_list = len(listed) == len(set(listed)) > 0 and all(math.isfinite(line.score) for line in alone.items)
    if not is_list or any([line.item for line in other.items] != listed for other in others):
        raise ValueError(
            f"a model must list items once each, alone as in a batch, but it listed "
            f"{listed} and {[[line.item for line in other.items] for other in others]}: train it again."
        )


def warm_up(answerer: Answerer) -> list[list[RecommendResponse]]:
    """Answer once alone and once in a batch, so that no caller pays for lazy set-up; what it answered."""
    first = RecommendRequest(history=answerer.bundle.catalogue.keys[:3])
    answers = [answerer.recommend([first] * n_requests) for n_requests in (1, 2)]
    answerer.without.warm_up()
    _ = answerer.explainer
    return answers
