"""Tuning config: how much each family may try.

Apart from `tuning.py` so that reading it loads no Optuna.
"""

from pydantic import Field

from models.recommender import Config


class TuningConfig(Config):
    """How much each family may try."""

    trials: int = Field(default=8, ge=1, description="Trials of each family that has something to tune.")
    startup_trials: int = Field(default=4, ge=1, description="Trials before anything is modelled or pruned.")
    warmup_epochs: int = Field(default=2, ge=0, description="Epochs before a trial may be pruned.")
