"""Item rows: vectors as they are served, in float32, in two parts that are read as one.

The first part is a model's own and is shared by all catalogues that grow from it; the second holds what came
later, so that a thousand new items cost a thousand rows and not a second table. Dims: R rows, D model size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 4096  # rows that are multiplied at once: in float64 they fit into a core's cache


@dataclass(frozen=True, slots=True)
class ItemRows:
    """A table of R rows.

    Attributes:
        own: float32 [R', D].
        late: float32 [R - R', D].
        place: int64 [R], where each row lies, those of `late` behind those of `own`; None where they lie in
            order.
    """

    own: Tensor
    late: Tensor
    place: Tensor | None = None

    @classmethod
    def of(cls, rows: Tensor) -> "ItemRows":
        """A table in one part: float32 [R, D]."""
        return cls(rows, rows[:0])

    def __len__(self) -> int:
        """R."""
        return len(self.own) + len(self.late)

    def at(self, rows: Tensor) -> Tensor:
        """Some rows in float64: int64 [P] -> [P, D]."""
        if not len(self.late):
            return self.own.index_select(0, rows).double()
        place = rows if self.place is None else self.place[rows]
        is_late = place >= len(self.own)
        own = place.clamp(max=len(self.own) - 1)
        found = self.own.index_select(0, own) if len(self.own) else self.late[place]
        found[is_late] = self.late[place[is_late] - len(self.own)]
        return found.double()

    def dots(self, rows: Tensor, vector: Tensor) -> Tensor:
        """Row . vector of some rows: int64 [P], float64 [D] -> float64 [P]."""
        out = vector.new_empty(len(rows))
        for part, block in zip(out.split(BLOCK), rows.split(BLOCK), strict=True):
            torch.mv(self.at(block), vector, out=part)
        return out

    def logits(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Row . hidden + bias, summed in float64, then rounded: float64 [B, D], [R] -> float32 [R, B]."""
        out = self.own.new_empty(len(self), len(hidden))
        wide = hidden.new_empty(BLOCK, hidden.shape[1])
        begin = 0
        for part in (self.own, self.late):
            for block in part.split(BLOCK):
                rows = wide[: len(block)].copy_(block)
                out[begin : begin + len(block)] = functional.linear(rows, hidden)
                begin += len(block)
        return (out if self.place is None else out[self.place]).add_(bias[:, None].float())

    def whole(self) -> Tensor:
        """All rows in order: float32 [R, D]."""
        rows = torch.cat([self.own, self.late]) if len(self.late) else self.own
        return rows if self.place is None else rows[self.place]

    def grown(self, late: Tensor, place: Tensor | None = None) -> "ItemRows":
        """This table with rows behind its own, and where each then lies; `place` counts them as they lie."""
        return ItemRows(self.own, torch.cat([self.late, late]), place)
