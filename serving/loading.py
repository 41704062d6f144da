"""Loading: a folder on disk to an `Answerer` that is warm; knows no server."""

import json
import logging
from dataclasses import replace

from models import bundle
from serving.answers.answerer import Answerer
from serving.answers.recent import RecentEvents
from serving.door.schemas import RecommendRequest
from serving.place import Place

logger = logging.getLogger(__name__)


def load(place: Place, recent: RecentEvents | None = None) -> Answerer:
    """The model at `place`, ready to answer at full speed.

    Args:
        place: of the bundle.
        recent: what users did since it was made; None where nobody tells.

    Raises:
        ValueError: not a bundle, damaged, or of another format.
    """
    loaded = bundle.load(place.folder)
    if place.lineage.is_file():
        packed = json.loads(place.lineage.read_text())
        loaded = replace(loaded, lineage={**loaded.lineage, **packed})
    answerer = Answerer(loaded, bundle.digest(place.folder), place.bento, recent=recent)
    warm_up(answerer)
    logger.info("event=bundle_loaded path=%s family=%s", place.folder, loaded.recommender.family)
    return answerer


def warm_up(answerer: Answerer) -> None:
    """Answer once alone and once in a batch, so that no caller pays for lazy set-up."""
    first = RecommendRequest(history=answerer.bundle.catalogue.keys[:3])
    for n_requests in (1, 2):
        answerer.recommend([first] * n_requests)
    answerer.without.warm_up()
    _ = answerer.explainer
