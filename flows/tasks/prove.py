"""Prove: the Bento is started on loopback and must answer as it did offline, inside the budget."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.interactions import Interactions, Ints
from data.split import Window
from flows.config import ProveConfig
from flows.files import read_json, write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.evaluate import in_ids_of, k_of, report_of
from flows.tasks.split import open_window
from models import bundle
from models.recommender import NO_ITEM, Recommendations, Recommender
from serving.door.schemas import RecommendRequest
from serving.probe import Mode, Replay, replay
from serving.process import running
from validation.evaluation.evaluate import score
from validation.evaluation.metrics import Scores
from validation.gates.parity import Answer, compare_answers

TOLERANCE = 1e-9  # of a user's metric
MODES: tuple[Mode, ...] = ("alone", "concurrent", "batch")


class ProofFailed(RuntimeError):
    """The Bento does not do what its model did; the message says which request, and where its log is."""


@step("prove", layers=("data", "models", "validation", "serving"))
def prove(
    run: Context,
    draft: Path,
    *,
    bento: Artefact,
    window: Artefact,
    scored: Artefact,
    metric: str,
    config: ProveConfig,
) -> None:
    """Leaves proof.json; latencies are in notes/.

    Raises:
        ProofFailed: another list, score or metric of a user than offline, or too slow.
    """
    held_out, model = open_window(run, window), bundle.load(bento.file("bundle"))
    rows, k = frozen_rows(held_out, config.requests), max(config.k, k_of(metric))
    expected = offline(in_ids_of(model, held_out), held_out, rows, k)
    requests = frozen_requests(held_out, rows, k)
    reported = report_of(scored).values(metric)[rows]
    log = run.home.logs / "proof.log"
    with running(Path(bento.path).parent, log=log, is_private=True) as url:
        replays = {mode: replay(url, requests, mode=mode) for mode in MODES}
    for mode, found in replays.items():
        _check_answers(mode, expected, found, log)
        check_metric(mode, metric, reported, served_values(found.answers, held_out, rows, metric, k))
    _check_latency(replays["alone"], config)
    write_json(draft / "notes" / "latency.json", {mode: latency(found) for mode, found in replays.items()})
    proof = {"requests": len(requests), "modes": MODES, "k": k, metric: float(reported.mean())}
    write_json(draft / "proof.json", proof)


def latency_of(proof: Artefact) -> dict[str, dict[str, float]]:
    """Milliseconds by mode, as measured when the proof was made."""
    found: dict[str, dict[str, float]] = read_json(proof.file("notes/latency.json"))
    return found


def frozen_rows(window: Window, n: int) -> Ints:
    """Queries of the window that are asked again, evenly spread: int64 [n], fewer if there are fewer."""
    return np.unique(np.linspace(0, len(window.query_users) - 1, n).astype(np.int64))


def frozen_requests(window: Window, rows: Ints, k: int) -> list[RecommendRequest]:
    """Every other one names its user, the rest bring their history with times and baskets."""
    asked = window.histories.select(rows)
    return [
        RecommendRequest(user=window.user_keys[window.query_users[row]], k=k)
        if place % 2
        else _with_history(window, asked, place, k)
        for place, row in enumerate(rows)
    ]


def offline(recommender: Recommender, window: Window, rows: Ints, k: int) -> list[Answer]:
    """What evaluation gives these queries, in keys."""
    keys = window.catalogue.keys
    top = recommender.recommend(window.histories.select(rows), k)
    return [
        Answer([keys[item] for item in items if item != NO_ITEM], scores[items != NO_ITEM].tolist())
        for items, scores in zip(top.items, top.scores, strict=True)
    ]


def served_values(answers: Sequence[Answer], window: Window, rows: Ints, metric: str, k: int) -> Scores:
    """The metric of each served list: float64 [n].

    Args:
        answers: n served lists, in keys.
        window: whose queries were asked.
        rows: int64 [n], which of them.
        metric: such as "ndcg@10".
        k: longest list.
    """
    items = np.full((len(rows), k), NO_ITEM)
    for row, answer in zip(items, answers, strict=True):
        row[: len(answer.items)] = window.catalogue.ids(answer.items)
    lists = Recommendations(items, np.zeros(items.shape, dtype=np.float32))
    return score(lists, window.asking(rows), (k_of(metric),))[metric]


def check_metric(mode: str, metric: str, reported: Scores, served: Scores) -> None:
    """Refuse served lists that are worth something else than the report says of the same users.

    Raises:
        ProofFailed: naming how many.
    """
    n_other = int((np.abs(reported - served) > TOLERANCE).sum())
    if n_other:
        raise ProofFailed(
            f"served lists must be worth what was reported offline, but asked {mode} the {metric} of "
            f"{n_other} of {len(served)} users differs, {served.mean():.4f} on average against "
            f"{reported.mean():.4f}: evaluate again."
        )


def latency(found: Replay) -> dict[str, float]:
    """Milliseconds of a replay."""
    return {"p50_ms": found.p50_ms, "p99_ms": found.p99_ms}


def _with_history(window: Window, asked: Interactions, place: int, k: int) -> RecommendRequest:
    own = slice(asked.offsets[place], asked.offsets[place + 1])
    return RecommendRequest(
        history=[window.catalogue.keys[item] for item in asked.item[own]],
        timestamps=asked.time[own].tolist(),
        baskets=[str(basket) for basket in asked.basket[own]],
        k=k,
    )


def _check_answers(mode: str, expected: Sequence[Answer], found: Replay, log: Path) -> None:
    parity = compare_answers(expected, found.answers)
    if not parity.passed:
        raise ProofFailed(
            f"served lists must be the offline ones, but {len(parity.mismatches)} of {len(expected)} asked "
            f"{mode} differ, first: {parity.mismatches[0]}: see {log}"
        )


def _check_latency(alone: Replay, config: ProveConfig) -> None:
    if alone.p99_ms > config.max_p99_ms:
        raise ProofFailed(
            f"one request must take at most {config.max_p99_ms:g} ms (p99), but took {alone.p99_ms:.1f} ms: "
            "raise prove.max_p99_ms, or choose a cheaper model"
        )
