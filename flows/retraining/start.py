"""Start: whether a retraining goes on from the weights that serve, from whose, and if not, why."""

import logging
from dataclasses import dataclass, field
from typing import Any

from flows.config import RunConfig
from flows.environment import Home
from flows.record.bundles import bundle_with
from flows.steps import Artefact
from models import bundle
from models.bundle import Bundle
from models.warm_start import can_go_on

logger = logging.getLogger(__name__)

WARM_FROM, IN_A_ROW = "warm_from", "warm_in_a_row"
"""Of a bundle's lineage: digest of the bundle it went on from, and how many did so one after the other."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the champion's family starts from.

    Attributes:
        why: a sentence for people; "" where nothing but cold starts was asked for.
        champion: bundle to go on from; None for a cold start.
        family: its family.
        settings: its settings, all of them.
    """

    why: str = ""
    champion: Artefact | None = None
    family: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def start_of(config: RunConfig, home: Home, champion: Artefact | None, snapshot: str) -> Start:
    """Decide; the same data leads to the same start again after its model was promoted.

    Args:
        config: of the run.
        home: where earlier champions are.
        champion: bundle in production; None before the first promotion.
        snapshot: digest of the data.
    """
    if config.warm.start == "cold":
        return Start()
    start = _start(config, home, champion, snapshot)
    logger.info("event=start kind=%s why=%s", "cold" if start.champion is None else "warm", start.why)
    return start


def _start(config: RunConfig, home: Home, champion: Artefact | None, snapshot: str) -> Start:
    if champion is None:
        return Start("Cold start: there is no champion yet.")
    packed = bundle.load(champion.file("bundle"))
    if packed.lineage["snapshot"] == snapshot:
        champion = _before(home, packed)
        if champion is None:
            return Start("Cold start: the champion has learned from this data.")
        packed = bundle.load(champion.file("bundle"))
    family, row = packed.recommender.family, in_a_row(packed)
    if family not in config.families or not can_go_on(family):
        return Start(f"Cold start: the champion's family, {family}, is not trained here or can't go on.")
    if row >= config.warm.max_in_a_row:
        return Start(
            f"Cold start: {row} champions in a row were warm, and [warm] max_in_a_row allows no more."
        )
    settings = packed.recommender.config.model_dump(mode="json")
    return Start(
        f"Warm start: {family} goes on from bundle {champion.digest[:12]}, {row} warm before it.",
        champion,
        family,
        settings,
    )


def in_a_row(packed: Bundle) -> int:
    """How many warm starts led to this bundle since the last cold one."""
    return int(packed.lineage.get(IN_A_ROW, 0))


def _before(home: Home, packed: Bundle) -> Artefact | None:
    """The bundle that this one went on from; None where it started cold, or that one is gone."""
    digest = packed.lineage.get(WARM_FROM, "")
    folder = bundle_with(home, digest)
    return None if folder is None else Artefact(str(folder.parent), digest)
