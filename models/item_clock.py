"""Item clock: how popular each item was around a day, from training events.

Shops change: what is bought in one season is gone in the next, and a model that is blind to time spends half
of its list on it. Dims: G knots on the time axis, I items, B questions.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from data.interactions import SECONDS_PER_DAY, Interactions
from models.recommender import Arrays, Floats

KNOTS_PER_WIDTH = 4
FLOOR = 0.05  # events an item is given on top at every moment, so that none is impossible


@dataclass(frozen=True, slots=True)
class ItemClock:
    """Smoothed event counts on a grid of days, read by interpolation.

    Attributes:
        first_day: days since 1970 of the first knot.
        knot_days: days between two knots.
        density: float32 [G, I], events of the item around each knot, in units of the kernel's weight.
        looks_ahead: whether a day is told of events after it; if not, a knot holds what lies before it and a
            day reads the knot before it.
    """

    first_day: float
    knot_days: float
    density: Floats
    looks_ahead: bool = True

    @classmethod
    def count(cls, events: Interactions, n_items: int, *, width_days: float, looks_ahead: bool) -> Self:
        """Smooth the events with a Gaussian of standard deviation `width_days`.

        Args:
            events: training events.
            n_items: I.
            width_days: of the kernel, above 0.
            looks_ahead: count events after a day as well. Under leave-one-out other users' training events
                lie on both sides of a question; at the end of a time window there are none ahead.
        """
        day = events.time / SECONDS_PER_DAY
        first = float(day.min(initial=0.0)) if len(day) else 0.0
        step = width_days / KNOTS_PER_WIDTH
        place = (day - first) / step
        knot = (place.round() if looks_ahead else np.ceil(place)).astype(np.int64)
        counts = np.zeros((int(knot.max(initial=0)) + 1, n_items), dtype=np.float32)
        np.add.at(counts, (knot, events.item), 1.0)
        smooth = convolve1d(counts, _kernel(looks_ahead), axis=0, mode="constant")
        return cls(first, step, smooth, looks_ahead)

    def popularity(self, day: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of each item around each day; before the first and after the last knot theirs.

        Args:
            day: float [B], days since 1970.

        Returns:
            float64 [B, I], positive, rows sum to one.
        """
        place = np.clip((day - self.first_day) / self.knot_days, 0, len(self.density) - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, len(self.density) - 1)
        part = (place - below)[:, None] * self.looks_ahead
        mass = self.density[below] * (1 - part) + self.density[above] * part + FLOOR
        share: NDArray[np.float64] = mass / mass.sum(axis=1, keepdims=True)
        return share

    def padded(self, n_new: int) -> Self:
        """With as many items more, of which nothing was counted."""
        return replace(self, density=np.pad(self.density, ((0, 0), (0, n_new))))

    def to_arrays(self) -> Arrays:
        """For a bundle."""
        axis = np.array([self.first_day, self.knot_days, self.looks_ahead], dtype=np.float64)
        return {"clock_axis": axis, "clock_density": self.density}

    @classmethod
    def from_arrays(cls, state: Arrays) -> Self:
        """The inverse of `to_arrays`."""
        first, step, looks_ahead = state["clock_axis"].tolist()
        return cls(first, step, state["clock_density"], bool(looks_ahead))


def _kernel(looks_ahead: bool) -> NDArray[np.float32]:
    """Gaussian over knots with sum 1; its later half is zero where nothing ahead may count."""
    reach = 3 * KNOTS_PER_WIDTH
    offset = np.arange(-reach, reach + 1)  # convolution: a positive offset is an earlier event
    weight = np.exp(-0.5 * (offset / KNOTS_PER_WIDTH) ** 2)
    weight[offset < 0] *= looks_ahead
    shares: NDArray[np.float32] = (weight / weight.sum()).astype(np.float32)
    return shares
