"""Gate errors: how often the gate promotes what it must not, and finds what it should, on simulated users.

python -m benchmarks.gate_errors

Two models agree on most users; where they do not, each draws its own rank. A user's NDCG@10 is 0 for most and
1 / log2(rank + 1) for the others, as in the reports of real runs. The challenger hits as many users more or
less often as its effect says.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import timing
from data.split import Protocol
from validation.evaluation.report import Report
from validation.gates.rules import GateConfig, judge
from validation.gates.verdict import Outcome

EFFECTS = (-0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05, 0.1)
USERS = (500, 2_000, 10_000, 20_000)
HIT_RATE = 0.2  # of the champion, as on the default data without repeats
AGREE = 0.7  # share of users whose lists are the same in effect
PROTOCOL = Protocol(split="time", cutoff=0, until=None, target="first basket")
RESULT = timing.RESULTS / "gate_errors.json"


@dataclass(frozen=True, slots=True)
class Line:
    """One number of users and one true effect.

    Attributes:
        users: judged in each simulation.
        effect: true relative difference of the means.
        promoted: share of the simulations that the default gate promotes.
        outcomes: share of each outcome.
    """

    users: int
    effect: float
    promoted: float
    outcomes: dict[str, float]


def main() -> None:
    """Simulate, print, plot and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=1_000)
    parser.add_argument("--users", type=int, nargs="+", default=USERS)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    lines = [
        simulate(users, effect, given.simulations, given.resamples)
        for users in given.users
        for effect in EFFECTS
    ]
    seconds = seconds_of_one_verdict()
    print(f"one verdict of 20,000 users x 10,000 resamples: {seconds:.1f} s")
    report = {
        "command": f"python -m benchmarks.gate_errors --simulations {given.simulations} "
        f"--resamples {given.resamples}",
        "machine": timing.machine(),
        "wrongly_promoted_at_most": max(line.promoted for line in lines if line.effect <= 0),
        "verdict_seconds": round(seconds, 2),
        "lines": [
            {"users": line.users, "effect": line.effect, "promoted": line.promoted} | line.outcomes
            for line in lines
        ],
    }
    timing.write(report, given.out)
    plot(lines, given.out.with_suffix(".png"))


def simulate(users: int, effect: float, simulations: int, resamples: int) -> Line:
    """Verdicts of so many pairs of models, each with users of its own."""
    counted = dict.fromkeys(Outcome, 0)
    promoted = 0
    for number in range(simulations):
        rng = np.random.default_rng([users, number])
        champion, challenger = pair(rng, users, effect)
        config = GateConfig(resamples=resamples, seed=number)
        verdict = judge(_report(challenger, "challenger"), _report(champion, "champion"), [], config)
        counted[verdict.outcome] += 1
        promoted += verdict.promote
    line = Line(users, effect, promoted / simulations, {str(k): n / simulations for k, n in counted.items()})
    print(f"{users:>7,} users  effect {effect:+.0%}  promoted {line.promoted:.1%}", flush=True)
    return line


def pair(
    rng: np.random.Generator, users: int, effect: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """NDCG@10 of both models, float64 [users] each; their expectations differ by `effect`, relative.

    All of the effect comes from the users on whom the models do not agree.
    """
    agree = rng.random(users) < AGREE
    own = HIT_RATE * (1 + effect / (1 - AGREE))
    champion = _gains(rng, users, HIT_RATE)
    challenger = np.where(agree, champion, _gains(rng, users, own))
    return champion, challenger


def seconds_of_one_verdict() -> float:
    """A verdict with the default number of resamples over 20,000 users, against one opponent."""
    champion, challenger = pair(np.random.default_rng(0), 20_000, 0.02)
    begin = time.perf_counter()
    judge(_report(challenger, "challenger"), _report(champion, "champion"), [], GateConfig())
    return time.perf_counter() - begin


def plot(lines: list[Line], path: Path) -> None:
    """Share promoted against the true effect, one curve for each number of users."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for users in sorted({line.users for line in lines}):
        mine = [line for line in lines if line.users == users]
        axes.plot([line.effect for line in mine], [line.promoted for line in mine], "o-", label=f"{users:,}")
    axes.axhline(0.05, color="grey", linestyle=":")
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.xaxis.set_major_formatter("{x:+.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set(xlabel="true difference of NDCG@10, relative", ylabel="promoted", title="What the gate promotes")
    axes.legend(title="users")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _gains(rng: np.random.Generator, users: int, rate: float) -> NDArray[np.float64]:
    """0 without a hit, else 1 / log2(rank + 1) with a rank that is likelier at the top."""
    rank = np.minimum(rng.geometric(0.2, users), 10)
    return np.where(rng.random(users) < rate, 1 / np.log2(rank + 1), 0.0)


def _report(values: NDArray[np.float64], family: str) -> Report:
    everyone = np.ones(len(values), dtype=bool)
    keys = [str(number) for number in range(len(values))]
    return Report(PROTOCOL, family, "", keys, {"ndcg@10": values}, 0.0, 10, 0.0, 0.0, {"all": everyone})


if __name__ == "__main__":
    main()
