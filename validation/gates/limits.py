"""Limits: what a challenger may be like, whatever its accuracy: how much it shows, how popular, how big."""

from dataclasses import dataclass

from pydantic import Field

from models.recommender import Config
from validation.evaluation.report import Report

NOVELTY = "novelty@10"
MIB = 2**20


class LimitsConfig(Config):
    """Absolute limits, and limits against the champion's own; None: any."""

    min_coverage: float | None = Field(
        default=None, ge=0, le=1, description="Share of the catalogue in the test lists."
    )
    min_novelty: float | None = Field(
        default=None, ge=0, le=1, description="Mean popularity rank of what is shown, 0 = most popular."
    )
    max_coverage_loss: float | None = Field(
        default=0.5, ge=0, le=1, description="Share of the champion's coverage that may be lost."
    )
    max_novelty_loss: float | None = Field(
        default=0.5, ge=0, le=1, description="Share of the champion's novelty that may be lost."
    )
    max_bundle_mib: float | None = Field(default=None, gt=0, description="Of the bundle on disk.")


@dataclass(frozen=True, slots=True)
class Nature:
    """What a model is like.

    Attributes:
        coverage: share of the catalogue in the lists.
        novelty: mean popularity rank of what is shown, 0 to 1; small is popularity bias.
        bundle_mib: size on disk.
    """

    coverage: float
    novelty: float
    bundle_mib: float

    @classmethod
    def of(cls, report: Report, bundle_bytes: int) -> "Nature":
        """Of a scored model."""
        return cls(report.coverage, report.mean(NOVELTY), bundle_bytes / MIB)


def findings(challenger: Nature, champion: Nature | None, config: LimitsConfig) -> list[str]:
    """Sentences about limits that are passed; none where all is within them."""
    found: list[str] = []
    lowest = {"coverage": config.min_coverage, "novelty": config.min_novelty}
    losses = {"coverage": config.max_coverage_loss, "novelty": config.max_novelty_loss}
    for what, least in lowest.items():
        value = getattr(challenger, what)
        if least is not None and value < least:
            found.append(f"Its {what} is {value:.4f}, but [limits] min_{what} wants {least:g}.")
    for what, most in losses.items() if champion is not None else ():
        value, before = getattr(challenger, what), getattr(champion, what)
        loss = 1 - value / before if before > 0 else 0.0
        if most is not None and loss > most:
            found.append(
                f"Its {what} is {value:.4f} where the champion's is {before:.4f}: {loss:.0%} less, but "
                f"[limits] max_{what}_loss allows {most:.0%}."
            )
    if config.max_bundle_mib is not None and challenger.bundle_mib > config.max_bundle_mib:
        size = f"{challenger.bundle_mib:,.1f} MiB"
        found.append(f"Its bundle has {size}, but [limits] max_bundle_mib allows {config.max_bundle_mib:g}.")
    return found
