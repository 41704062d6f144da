"""Drift config: from where on a change of the data calls for a retraining, or for a person."""

from enum import StrEnum

import numpy as np
from pydantic import Field

from models.recommender import Config


class Level(StrEnum):
    """What a measure, or the whole comparison, calls for."""

    FINE = "fine"
    RETRAIN = "retrain"
    ALERT = "alert"


class Limits(Config):
    """From where on a measure calls for a retraining, and from where on for a person."""

    retrain: float | None = Field(default=None, ge=0, description="None: never.")
    alert: float | None = Field(default=None, ge=0, description="None: never.")

    def level(self, value: float) -> Level:
        """Of a value; NaN is an alert, because nothing was measured."""
        if np.isnan(value) or (self.alert is not None and value >= self.alert):
            return Level.ALERT
        return Level.RETRAIN if self.retrain is not None and value >= self.retrain else Level.FINE


class DriftConfig(Config):
    """How wide the windows are, and the limits of each measure."""

    days: int = Field(default=30, ge=1, description="Width of both windows, up to the newest event.")
    seed: int = Field(default=0, ge=0, description="Of the permutations.")
    stop: bool = Field(default=True, description="An alert stops a retraining.")
    columns: Limits = Field(default=Limits(alert=1), description="Columns that came, went or changed type.")
    volume: Limits = Field(
        default=Limits(retrain=0.5, alert=3), description="Events a day: larger over smaller, minus 1."
    )
    items: Limits = Field(
        default=Limits(retrain=0.15, alert=0.6), description="Jensen-Shannon distance beyond chance, 0 to 1."
    )
    categories: Limits = Field(default=Limits(retrain=0.1, alert=0.5), description="The same, by field.")
    lengths: Limits = Field(
        default=Limits(retrain=0.1, alert=0.5), description="Events of a user: Kolmogorov-Smirnov, likewise."
    )
    repeats: Limits = Field(
        default=Limits(retrain=0.05, alert=0.3), description="Share of repeated events, difference."
    )
    new_items: Limits = Field(
        default=Limits(retrain=0.05, alert=0.5), description="Share of events on items not known before."
    )
    live: Limits = Field(
        default=Limits(retrain=0.1),
        description="Relative loss of the champion's metric on events that came since, beyond chance.",
    )
    new_words: Limits = Field(
        default=Limits(retrain=0.3, alert=0.9), description="Share of new items' words not known before."
    )
