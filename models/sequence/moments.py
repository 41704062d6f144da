"""Moments: a learned vector for every day, so that a state can know in which season it is asked.

Dims: G knots on the time axis, D model size.
"""

import torch
from torch import Tensor, nn

from data.interactions import SECONDS_PER_DAY, Interactions

KNOT_DAYS = 30.0


class Moments(nn.Module):
    """Linear interpolation between learned vectors, one every 30 days; it stands still outside of them."""

    first_day: Tensor

    def __init__(self, first_day: float, n_knots: int, d_model: int) -> None:
        super().__init__()
        self.knots = nn.Parameter(torch.zeros(n_knots, d_model))
        self.register_buffer("first_day", torch.tensor(first_day, dtype=torch.float64), persistent=False)

    @staticmethod
    def span(events: Interactions) -> tuple[float, int]:
        """First day and number of knots of a time line over the events."""
        if not len(events):
            return 0.0, 2
        first, last = (float(day) / SECONDS_PER_DAY for day in (events.time.min(), events.time.max()))
        return first, 2 + int((last - first) / KNOT_DAYS)

    def forward(self, day: Tensor) -> Tensor:
        """Days since 1970, any shape [...] -> [..., D]."""
        last = len(self.knots) - 1
        place = ((day.double() - self.first_day) / KNOT_DAYS).clamp(0, last)
        below = place.long().clamp(max=last - 1)
        part = (place - below)[..., None].to(self.knots.dtype)
        return self.knots[below] * (1 - part) + self.knots[below + 1] * part
