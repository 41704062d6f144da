"""Case: everything that a verdict was made on, handed from the judges to those who deliver and report."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.retraining.standings import Contender, Standing, Warm
from flows.steps import Artefact


@dataclass(frozen=True, slots=True)
class Case:
    """One retraining up to its verdict.

    Attributes:
        field: every family.
        best: the challenger, best on validation.
        champion: bundle in production; None before the first promotion.
        judged: the verdict.
        window: the test.
        lines: every family and the champion, best test metric first.
        drifted: the comparison with the champion's data; None where there was none.
        steps: all steps so far, in their order.
        start: what the champion's family started from, in words; "" where that is no question.
        warm: the warm start beside the cold one; None where there was none.
    """

    field: Sequence[Contender]
    best: Contender
    champion: Artefact | None
    judged: Artefact
    window: Artefact
    lines: Sequence[Standing]
    drifted: Artefact | None
    steps: Sequence[Artefact]
    start: str
    warm: Warm | None
