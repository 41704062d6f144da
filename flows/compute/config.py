"""Compute config: how many processes train one model, and where they run."""

from pydantic import Field

from models.recommender import Config


class ComputeConfig(Config):
    """What the final training of a family runs on; tuning is spread by `workers`."""

    processes: int = Field(
        default=1, ge=1, description="That train one model together, each with `threads`; bits depend on it."
    )
    ray: str = Field(
        default="",
        pattern=r"^(auto|[^\s:/]+:\d+)?$",
        description="host:port of a Ray cluster's head, or auto for the one this machine belongs to; empty "
        "for this machine alone. No number depends on it.",
    )
