"""Event inputs: what a position of a row knows beside its item: its place, the pause before it and the day.

Dims: B rows, T events, D model size.
"""

import torch
from torch import Tensor, nn

from models.sequence.dropout import Dropout
from models.sequence.moments import Moments
from models.sequence.rows import Rows

PAUSES = 16  # none, then doubling from a day on


class EventInputs(nn.Module):
    """Item vectors of a row, with a start position in front."""

    def __init__(self, max_length: int, d_model: int, moments: Moments | None, dropout: float) -> None:
        super().__init__()
        self.place = nn.Embedding(max_length, d_model)
        self.pause = nn.Embedding(PAUSES, d_model)
        self.start = nn.Parameter(torch.zeros(d_model))
        self.moments = moments
        self.drop = Dropout(dropout)
        for table in (self.place, self.pause):
            nn.init.normal_(table.weight, std=0.1 * d_model**-0.5)

    def forward(self, rows: Rows, items: Tensor) -> Tensor:
        """Vectors of all items [I, D] -> [B, T + 1, D]."""
        places = torch.arange(rows.item.shape[1], device=rows.item.device)
        x = items[rows.item] + self.place(places) + self.pause(pauses(rows.day))
        if self.moments is not None:
            x = x + self.moments(rows.day)
        return torch.cat([self.start.expand(len(x), 1, -1), self.drop(x)], dim=1)


def pauses(day: Tensor) -> Tensor:
    """Class of the time since the event before: float [B, T] -> int64 [B, T], 0 for the same day or none.

    >>> pauses(torch.tensor([[100.0, 100.0, 101.0, 103.0, 107.0, 0.0]])).tolist()
    [[0, 0, 1, 2, 3, 0]]
    """
    since = torch.diff(day, prepend=day[:, :1])
    return (since.clamp(min=0.5).log2().floor() + 1).clamp(0, PAUSES - 1).long()
