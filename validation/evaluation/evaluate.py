"""Evaluation: a recommender asked about every query of a window, timed, and scored into a report."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.interactions import Interactions
from data.split import COLD, Protocol, Window
from models.recommender import Mask, Recommendations, Recommender
from validation.evaluation.metrics import RANKED, Scores, coverage_at_k, novelty_at_k
from validation.evaluation.report import Report

logger = logging.getLogger(__name__)

KS = (5, 10, 20)
COVERAGE_K = 10


def evaluate(
    recommender: Recommender,
    window: Window,
    *,
    family: str,
    model: str = "",
    ks: Sequence[int] = KS,
    batch_size: int = 256,
    seen_masked: bool | None = None,
    candidates: Mask | None = None,
    fit_seconds: float = 0.0,
) -> tuple[Report, Recommendations]:
    """Rank the full catalogue for every query of `window` and score the lists.

    Args:
        recommender: a fitted model.
        window: queries and targets.
        family: recorded in the report.
        model: recorded too: name or digest of the very model; the family where it is empty.
        ks: list lengths to score at; the longest is asked for.
        batch_size: queries per call; it changes the time and nothing else.
        seen_masked: bar the items of the history; None does as the window's protocol says. The report
            carries the protocol that was really used.
        candidates: bool [I], items that may be listed; None for the full catalogue.
        fit_seconds: recorded in the report.

    Returns:
        The report, and the lists int64 [Q, max(ks)] in the order of `window.query_users`.

    Raises:
        ValueError: a list holds an item that is not in the catalogue.
    """
    masked = window.protocol.seen_masked if seen_masked is None else seen_masked
    started = time.perf_counter()
    lists = recommend_all(
        recommender, window, max(ks), batch_size=batch_size, seen_masked=masked, candidates=candidates
    )
    seconds = time.perf_counter() - started
    _refuse_unknown_items(lists, len(window.catalogue), family)
    coverage_k = COVERAGE_K if COVERAGE_K in ks else max(ks)
    report = Report(
        protocol=_really_used(window.protocol, masked, candidates),
        family=family,
        model=model or family,
        user_keys=[window.user_keys[user] for user in window.query_users],
        metrics=score(lists, window, ks),
        coverage=coverage_at_k(lists.items, len(window.catalogue), coverage_k),
        coverage_k=coverage_k,
        fit_seconds=fit_seconds,
        recommend_seconds=seconds,
        slices=slices_of(window),
    )
    logger.info("evaluated family=%s queries=%d seconds=%.2f", family, len(lists.items), seconds)
    return report, lists


def recommend_all(
    recommender: Recommender,
    window: Window,
    k: int,
    *,
    batch_size: int,
    seen_masked: bool,
    candidates: Mask | None = None,
) -> Recommendations:
    """Lists of all queries, `batch_size` at a time: items int64 [Q, k], scores float32 [Q, k]."""
    histories, n_items = window.histories, len(window.catalogue)
    parts = []
    for start in range(0, histories.n_users, batch_size):
        batch = histories.select(np.arange(start, min(start + batch_size, histories.n_users)))
        allowed = _unseen(batch, n_items, candidates) if seen_masked else candidates
        parts.append(recommender.recommend(batch, k, allowed=allowed))
    if not parts:
        raise ValueError(f"window {window.name!r} needs queries to evaluate, but has none: move its cut-off.")
    return Recommendations(
        np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts])
    )


def score(lists: Recommendations, window: Window, ks: Sequence[int]) -> dict[str, Scores]:
    """Every metric at every k, and novelty against the training counts: name to float64 [Q]."""
    metrics = {
        f"{name}@{k}": metric(lists.items, window.target, window.target_offsets, k)
        for name, metric in RANKED.items()
        for k in ks
    }
    counts = np.bincount(window.train.item, minlength=len(window.catalogue))
    return metrics | {f"novelty@{k}": novelty_at_k(lists.items, counts, k) for k in ks}


def slices_of(window: Window) -> dict[str, NDArray[np.bool_]]:
    """Groups of queries worth a number of their own: name to bool [Q].

    "short histories" are below the 25 % quantile of events, "long histories" above the 75 % quantile,
    "new users" have no event before the cut-off, "new to the user" wants nothing that is in the history,
    and "cold targets" wants at least one item that is not in the catalogue.
    """
    lengths = window.histories.lengths
    query = np.repeat(np.arange(len(lengths)), np.diff(window.target_offsets))
    n_queries = len(lengths)
    repeated = np.bincount(query[_is_repeat(window, query)], minlength=n_queries) > 0
    cold = np.bincount(query[window.target == COLD], minlength=n_queries) > 0
    return {
        "all": np.ones(n_queries, dtype=bool),
        "short histories": lengths < np.quantile(lengths, 0.25),
        "long histories": lengths > np.quantile(lengths, 0.75),
        "new users": lengths == 0,
        "new to the user": ~repeated,
        "cold targets": cold,
    }


def _is_repeat(window: Window, query: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each target is in its query's history: bool [targets]."""
    histories, n_items = window.histories, len(window.catalogue)
    seen = np.sort(histories.user * n_items + histories.item)
    wanted = query * n_items + window.target
    place = np.searchsorted(seen, wanted)
    found = np.append(seen, -1)[place] == wanted
    repeats: NDArray[np.bool_] = found & (window.target != COLD)
    return repeats


def _unseen(histories: Interactions, n_items: int, candidates: Mask | None) -> Mask:
    """Candidates that are not in the history: bool [B, I]."""
    allowed = np.ones((histories.n_users, n_items), dtype=bool)
    if candidates is not None:
        allowed &= candidates
    allowed[histories.user, histories.item] = False
    return allowed


def _really_used(protocol: Protocol, masked: bool, candidates: Mask | None) -> Protocol:
    """The protocol with how the lists were really made."""
    if candidates is None:
        return replace(protocol, seen_masked=masked)
    return replace(protocol, seen_masked=masked, candidates=f"{int(candidates.sum())} of the items")


def _refuse_unknown_items(lists: Recommendations, n_items: int, family: str) -> None:
    if (highest := int(lists.items.max(initial=-1))) >= n_items:
        raise ValueError(
            f"{family}: lists may hold ids below {n_items}, the catalogue's size, but got {highest}: "
            "fit the model on this window's catalogue."
        )
