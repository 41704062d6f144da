"""Gate check: a gate that cannot tell good from bad must not decide, so it proves itself before a verdict.

Three questions with known answers: a model against itself is neither better nor worse, a damaged model does
not pass against the whole one, and two different models do not agree on every user.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from validation.evaluation.report import Report
from validation.gates.rules import GateConfig, judge
from validation.gates.verdict import Outcome


def findings(whole: Report, damaged: Report, others: Sequence[Report], config: GateConfig) -> list[str]:
    """What is wrong with the gate on this window, in sentences; empty where nothing is.

    Args:
        whole: a model, for example the challenger.
        damaged: the same model with its items swapped (`Damaged`), asked by the same protocol.
        others: other models on the same users; those of the same digest are skipped.
        config: the gate's thresholds.
    """
    return list(_findings(whole, damaged, others, config))


def _findings(whole: Report, damaged: Report, others: Sequence[Report], config: GateConfig) -> Iterator[str]:
    itself = judge(whole, whole, [], config)
    if itself.outcome not in (Outcome.NOT_WORSE, Outcome.NOT_ENOUGH_EVIDENCE) or itself.harmed:
        yield f"A model against itself must be neither better nor worse, but the gate said {itself.outcome}."
    against = judge(damaged, whole, [], config)
    if against.promote or against.outcome in (Outcome.BETTER, Outcome.NOT_WORSE):
        yield (
            f"A model with swapped items must not pass against the whole one, but the gate said "
            f"{against.outcome}: {config.metric} {damaged.mean(config.metric):.4f} against "
            f"{whole.mean(config.metric):.4f}. Does the window hold targets that a model can hit?"
        )
    for other in others:
        if other.model != whole.model and _agree(whole, other):
            yield (
                f"{whole.family} and {other.family} are different models, but every metric of every user is "
                "the same: were both scored with the same lists?"
            )


def _agree(one: Report, other: Report) -> bool:
    shared = one.metrics.keys() & other.metrics.keys()
    return all(np.array_equal(one.values(name), other.values(name), equal_nan=True) for name in shared)
