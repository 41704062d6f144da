"""Trial report: answers of a trial joined with what their users did later, and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.interactions import SECONDS_PER_DAY
from data.snapshot import Snapshot, open_snapshot
from flows.environment import Home
from flows.files import read_json
from flows.trial.answers import TrialAnswer, TrialAnswers
from serving.settings import user_keys
from serving.trial.config import ArmName
from serving.trial.overlap import overlap_at_k
from validation.gates.hit_rates import HitVerdict, Shown, hits, judge_arms
from validation.gates.rules import GateConfig

Pair = tuple[TrialAnswer, TrialAnswer]


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What an arm did.

    Attributes:
        answers: of its users; a shadow's failures are none.
        users: with a key.
        by_history: answers without a user key, which no event can be joined to.
        too_new: answers whose time for a hit goes beyond the data.
        p50_ms: median latency, NaN without answers.
        p99_ms: 99th percentile of it.
        errors: requests that the arm failed; None for the champion, whose failures leave no line.
    """

    answers: int
    users: int
    by_history: int
    too_new: int
    p50_ms: float
    p99_ms: float
    errors: int | None


@dataclass(frozen=True, slots=True)
class TrialReport:
    """Both arms side by side.

    Attributes:
        counts: of each arm.
        overlap: mean overlap@k of a shadow with the champion; None for a canary, NaN where nothing was seen.
        verdict: on the answers that can be judged.
        until: Unix seconds UTC of the newest event.
    """

    counts: dict[ArmName, ArmCounts]
    overlap: float | None
    verdict: HitVerdict
    until: int


def newest_snapshot(home: Home, like: str) -> Snapshot:
    """The snapshot with the newest event of those from the same source.

    Args:
        home: of the project.
        like: digest of a snapshot from the source that is meant; one that is gone allows all.

    Raises:
        ValueError: there is none.
    """
    manifests = {path.parent: read_json(path) for path in home.snapshots.glob("*/manifest.json")}
    sources = {each["source"] for each in manifests.values() if each["digest"] == like}
    fitting = [path for path, each in manifests.items() if not sources or each["source"] in sources]
    if not fitting:
        raise ValueError(f"a report needs data, but there is no snapshot in {home.snapshots}: give --config.")
    newest = max(fitting, key=lambda path: (manifests[path]["last_timestamp"], manifests[path]["created"]))
    return open_snapshot(newest)


def report(
    answers: TrialAnswers, snapshot: Snapshot, *, k: int, days: float, gate: GateConfig
) -> TrialReport:
    """Judge a trial.

    Args:
        answers: of the trial.
        snapshot: what happened later.
        k: first items of a list that count.
        days: how long after an answer an event counts; younger answers are not judged.
        gate: margin, alpha, least number of users.
    """
    until = snapshot.manifest.last_timestamp
    ours, theirs = answers.arms["champion"], answers.arms["challenger"]
    pairs = _pairs(ours, theirs) if answers.mode == "shadow" else None
    judged = (
        ([pair[0] for pair in pairs], [pair[1] for pair in pairs]) if pairs is not None else (ours, theirs)
    )
    shown = [_judgeable(arm, until - days * SECONDS_PER_DAY) for arm in judged]
    first = min((each.when for arm in shown for each in arm), default=float(until))
    events = snapshot.interactions(["user_key", "item_key", "timestamp"], since=int(first))
    owners = _owners(events["user_key"].unique().to_list())
    shown = [
        [replace(each, user_key=owners.get(each.user_key, each.user_key)) for each in arm] for arm in shown
    ]
    champion, challenger = ((arm, hits(arm, events, k=k, days=days)) for arm in shown)
    verdict = judge_arms(champion, challenger, paired=pairs is not None, k=k, config=gate)
    counts: dict[ArmName, ArmCounts] = {
        "champion": _counts(ours, until - days * SECONDS_PER_DAY, errors=None),
        "challenger": _counts(
            theirs, until - days * SECONDS_PER_DAY, errors=sum(each.error is not None for each in theirs)
        ),
    }
    return TrialReport(counts, None if pairs is None else _overlap(pairs, k), verdict, until)


def _owners(users: list[str]) -> dict[str, str]:
    """How the answer log writes each user of the data, to the key in the data; none where both are plain."""
    written = user_keys()
    return {written.stored(user): user for user in users} if written.are_hashed else {}


def _pairs(ours: Sequence[TrialAnswer], theirs: Sequence[TrialAnswer]) -> list[Pair]:
    """Answers that both arms have a list for."""
    by_id = {each.id: each for each in theirs if each.error is None}
    return [(each, by_id[each.id]) for each in ours if each.id in by_id]


def _judgeable(answers: Sequence[TrialAnswer], before: float) -> list[Shown]:
    """Those with a user key whose time for a hit is over."""
    return [
        Shown(each.user, each.when, each.items)
        for each in answers
        if each.user is not None and each.when <= before
    ]


def _counts(answers: Sequence[TrialAnswer], before: float, *, errors: int | None) -> ArmCounts:
    listed = [each for each in answers if each.latency_ms is not None]
    latencies = [each.latency_ms for each in listed if each.latency_ms is not None]
    p50, p99 = np.percentile(latencies, [50, 99]).tolist() if latencies else (np.nan, np.nan)
    named = [each for each in listed if each.user is not None]
    return ArmCounts(
        answers=len(listed),
        users=len({each.user for each in named}),
        by_history=len(listed) - len(named),
        too_new=sum(each.when > before for each in named),
        p50_ms=p50,
        p99_ms=p99,
        errors=errors,
    )


def _overlap(pairs: Sequence[Pair], k: int) -> float:
    """Mean overlap@k, NaN without pairs."""
    overlaps = [overlap_at_k(ours.items, theirs.items, k) for ours, theirs in pairs]
    return float(np.mean(overlaps)) if overlaps else np.nan
