"""Trial answers: what the answer log keeps of a trial, as two lists of answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.answers.answer_log import lines
from serving.trial.config import ArmName, Mode

Key = tuple[str, str, str]  # mode, digest of the champion, digest of the challenger


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """An answer of the arm that the split chose, or what a shadow would have answered.

    Attributes:
        id: of the answer in the log; a shadow's is that of the champion's.
        user: its key, None for a request by history.
        when: Unix seconds UTC.
        items: item keys, best first; the champion's where a canary failed, none where a shadow failed.
        latency_ms: from request to answer; None for a shadow that failed.
        error: why the challenger failed, None where it did not.
    """

    id: str
    user: str | None
    when: float
    items: tuple[str, ...]
    latency_ms: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class TrialAnswers:
    """All answers of one trial.

    Attributes:
        mode: shadow or canary.
        champion: digest of its bundle.
        challenger: digest of its bundle.
        arms: answers of each arm, as they came; by assignment, not by who answered in the end.
        n_one_arm: answers to users whom one arm only knows, which no split chose.
        n_trials: trials in the log, this one counted.
    """

    mode: Mode
    champion: str
    challenger: str
    arms: dict[ArmName, list[TrialAnswer]]
    n_one_arm: int
    n_trials: int


def read_trial(folder: Path, challenger: str = "") -> TrialAnswers:
    """The newest trial in an answer log.

    Args:
        folder: of the log.
        challenger: first digits of a challenger's digest, "" for any.

    Raises:
        ValueError: there is none.
    """
    newest: dict[Key, float] = {}
    for line in _of_trials(folder):
        newest[_key(line)] = line["when"]
    fitting = [key for key in newest if key[2].startswith(challenger)]
    if not fitting:
        what = f" of a challenger {challenger}..." if challenger else ""
        raise ValueError(
            f"a report needs answers of a trial{what}, but {folder} has none: serve one with "
            "`encore serve --challenger WHAT --canary 0.1`, or `--shadow`."
        )
    chosen = max(fitting, key=newest.__getitem__)
    return _collected(folder, chosen, len(newest))


def _collected(folder: Path, key: Key, n_trials: int) -> TrialAnswers:
    arms: dict[ArmName, list[TrialAnswer]] = {"champion": [], "challenger": []}
    n_one_arm = 0
    for line in _of_trials(folder):
        if _key(line) != key:
            continue
        if line["trial"]["assigned"] is None:
            n_one_arm += 1
            continue
        arms[line["trial"]["assigned"]].append(_answer(line, line["trial"]))
    mode: Mode = "shadow" if key[0] == "shadow" else "canary"
    if mode == "shadow":
        arms["challenger"] = list(_mirrored(folder, arms["champion"]))
    return TrialAnswers(mode, key[1], key[2], arms, n_one_arm, n_trials)


def _mirrored(folder: Path, ours: list[TrialAnswer]) -> Iterator[TrialAnswer]:
    """What the shadow would have answered; the time of an answer is the champion's."""
    by_id = {each.id: each for each in ours}
    for line in lines(folder, "mirrored"):
        if (seen := by_id.get(line["of"])) is not None:
            items = tuple(line.get("items", ()))
            yield TrialAnswer(seen.id, seen.user, seen.when, items, line.get("latency_ms"), line.get("error"))


def _answer(line: dict[str, Any], tried: dict[str, Any]) -> TrialAnswer:
    return TrialAnswer(
        line["id"],
        line["request"].get("user"),
        line["when"],
        tuple(line["items"]),
        tried["latency_ms"],
        tried.get("error"),
    )


def _of_trials(folder: Path) -> Iterator[dict[str, Any]]:
    return (line for line in lines(folder, "answers", having='"trial"') if "trial" in line)


def _key(line: dict[str, Any]) -> Key:
    tried = line["trial"]
    return tried["mode"], tried["champion"], tried["challenger"]
