"""Trial config: how a challenger is tried beside the champion, and when it is given up."""

from typing import Literal, Self

from pydantic import Field, model_validator

from models.recommender import Config

Mode = Literal["shadow", "canary"]
ArmName = Literal["champion", "challenger"]


class RevertConfig(Config):
    """When the service stops using the challenger by itself; the rules are in `revert.Watch`."""

    window: int = Field(default=1000, ge=1, description="Newest requests of each arm that are judged.")
    min_requests: int = Field(default=100, ge=1, description="Fewer in the window are not judged.")
    max_error_share: float = Field(default=0.05, ge=0, le=1, description="Failed and late requests.")
    max_latency_ratio: float = Field(
        default=3.0, gt=0, description="95th percentile of the challenger's latency over the champion's."
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, description="95th percentile of the challenger's latency; None: no limit."
    )
    min_overlap: float = Field(
        default=0.0, ge=0, le=1, description="Mean overlap@k with the champion; shadow only, 0: no limit."
    )

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.min_requests > self.window:
            raise ValueError(
                f"min_requests must fit into the window, but got {self.min_requests} and {self.window}: "
                "else the challenger is never judged. Lower min_requests or widen the window."
            )
        return self


class TrialConfig(Config):
    """How the service uses its second bundle."""

    mode: Mode = Field(description="shadow: sees requests, answers nobody; canary: answers a share of users.")
    share: float = Field(default=1.0, gt=0, le=1, description="Of the users that the challenger gets.")
    salt: str = Field(
        default="",
        description="Of the split; '' for the challenger's digest: other users for each challenger.",
    )
    k: int = Field(default=10, ge=1, le=100, description="Of overlap@k.")
    timeout_ms: float = Field(default=1000, gt=0, description="Longest wait for the challenger.")
    max_waiting: int = Field(
        default=256, ge=1, description="Mirrored requests that may wait; more are dropped."
    )
    revert: RevertConfig = RevertConfig()

    @model_validator(mode="after")
    def _leaves_the_champion_users(self) -> Self:
        if self.mode == "canary" and self.share == 1:
            raise ValueError(
                "a canary needs a share below 1, but got 1: nobody would be left to compare with. "
                "Give a share such as 0.1, or promote."
            )
        return self
