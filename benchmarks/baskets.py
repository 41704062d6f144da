"""Baskets: one item of each first basket of a month is hidden, and the rest asks for it; default data.

    python -m benchmarks.baskets                     # two minutes on one core

How much less a popular item counts was chosen on November; December is read with that alone. Each line has
the same hidden items, the whole catalogue to choose from, and the basket's other items left out of the list.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.warm_start import seconds
from data.interactions import Ints
from data.snapshot import Snapshot, write_snapshot
from data.sources import load as read_source
from data.split import Window
from data.windows import time_window
from flows.config import RunConfig, load
from models.baselines.bought_together import ALPHA, BoughtTogether
from models.baselines.popularity import recent_counts
from models.content_neighbours import ContentNeighbours
from models.fitting import encode_items, use_threads
from models.recommender import Floats

K = 10
HALF_LIFE_DAYS = 30.0
TRIED = (0.0, 0.1, 0.2, 0.35, 0.5)
CHOSEN_ON, READ_ON = ("2017-11-01", "2017-12-01"), ("2017-12-01", None)
RESULT = timing.RESULTS / "baskets.json"
Scorer = Callable[[Ints], Floats]


@dataclass(frozen=True, slots=True)
class Case:
    """A basket without one of its items.

    Attributes:
        rest: int64 ids.
        hidden: the item that was taken out.
    """

    rest: Ints
    hidden: int


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("configs/default.toml"))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    config = load(given.config)
    use_threads(1)
    machine = timing.machine()
    with tempfile.TemporaryDirectory(prefix="encore-baskets-") as scratch:
        snapshot = write_snapshot(read_source(config.source), Path(scratch))
        november = month(config, snapshot, *CHOSEN_ON)
        chosen = [line(november, f"together, alpha {alpha:g}", together(november, alpha)) for alpha in TRIED]
        december = month(config, snapshot, *READ_ON)
        read = [
            line(december, f"together, alpha {ALPHA:g}", together(december, ALPHA)),
            line(december, "popularity", popularity(december)),
            line(december, "content", content(config, december)),
        ]
    head = {"command": "python -m benchmarks.baskets", "machine": machine, "seed": config.seed}
    timing.write({**head, "november": chosen, "december": read}, given.out)


def month(config: RunConfig, snapshot: Snapshot, cutoff: str, until: str | None) -> Window:
    """What was bought before a day, and first baskets after it."""
    end = None if until is None else seconds(until)
    return time_window(snapshot, name=cutoff, cutoff=seconds(cutoff), until=end, filters=config.filters)


def cases(window: Window, seed: int = 0) -> list[Case]:
    """Every first basket of two or more known items, one of them hidden at random."""
    rng = np.random.default_rng(seed)
    found = []
    for begin, end in zip(window.target_offsets[:-1], window.target_offsets[1:], strict=True):
        known = window.target[begin:end][window.target[begin:end] >= 0]
        if len(known) >= 2:
            place = int(rng.integers(len(known)))
            found.append(Case(np.delete(known, place), int(known[place])))
    return found


def line(window: Window, name: str, score: Scorer) -> dict[str, Any]:
    """Recall and NDCG at 10, and milliseconds of a basket, ranking included."""
    asked, started = cases(window), time.perf_counter()
    ranks = np.array([rank(score(case.rest), case) for case in asked])
    took = time.perf_counter() - started
    gain = np.where(ranks < K, 1 / np.log2(ranks + 2), 0)
    return {
        "name": name,
        "baskets": len(asked),
        "recall@10": round(float((ranks < K).mean()), 4),
        "ndcg@10": round(float(gain.mean()), 4),
        "ms": round(1000 * took / len(asked), 2),
    }


def rank(scores: Floats, case: Case) -> int:
    """Place of the hidden item, 0 the best; ties go to the smaller id."""
    others = scores.copy()
    others[case.rest] = -np.inf
    mine = others[case.hidden]
    return int((others > mine).sum() + (others[: case.hidden] == mine).sum())


def together(window: Window, alpha: float) -> Scorer:
    """What shared baskets."""
    return BoughtTogether(window.train, len(window.catalogue), alpha).scores


def popularity(window: Window) -> Scorer:
    """What all buy lately."""
    counts = recent_counts(window.train, len(window.catalogue), HALF_LIFE_DAYS)
    return lambda _: counts


def content(config: RunConfig, window: Window) -> Scorer:
    """What is described alike."""
    neighbours = ContentNeighbours(encode_items(window.catalogue, config.encoder, seed=config.seed))
    return lambda rest: neighbours.scores(neighbours.mean(rest))


if __name__ == "__main__":
    main()
