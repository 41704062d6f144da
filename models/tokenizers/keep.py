"""Keep: the codes of a generation that serves, taken over by a later catalogue.

Item encoders that are fitted on the catalogue give every item another vector each time, so a frozen tokenizer
could not read them. A linear map from the new vectors to the old ones, least squares over the items that are
in both catalogues (ridge, Hoerl and Kennard 1970, Technometrics 12(1), equation 2.1), brings new items into
the old space. Dims: I items now, J items then, S shared, C size now, D size then.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.interactions import Ints
from models.item_encoders.encoders import Mapped
from models.item_encoders.fitted import ItemEncoder
from models.recommender import Floats, Mask
from models.tokenizers.code_table import CodeTable
from models.tokenizers.store import ItemCodes

Doubles = NDArray[np.float64]
RIDGE = 1e-3
"""Of the mean square of the new vectors; it decides where few items are shared."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Codes of today's catalogue in yesterday's vocabulary.

    Attributes:
        codes: of I items; an item that was there before keeps vector and codes.
        shared: S.
        fit: share of the old vectors' variance that the map explains, 1 for the same vectors.
    """

    codes: ItemCodes
    shared: int
    fit: float


def keep_codes(served: ItemCodes, vectors: Floats, then: Ints, encoder: ItemEncoder | None = None) -> Kept:
    """Codes and vectors of today's items: old ones as they are, new ones by the served tokenizer.

    Args:
        served: of the generation that serves, J items.
        vectors: float32 [I, C] of today's encoder.
        then: int64 [I], id of each item in that generation, -1 for a new one.
        encoder: that gave the vectors; it is kept with the map, for items that come later.

    Raises:
        ValueError: no item is in both.
    """
    known = then >= 0
    if not known.any():
        raise ValueError(
            f"Codes can be kept where catalogues share items, but none of {len(then)} was among the "
            f"{len(served.table)} that serve: set keep_codes = false once."
        )
    old = served.vectors[then[known]]
    centre, weights, middle, fit = _into_old_space(vectors, known, old)
    mapped = np.asarray((vectors - centre) @ weights + middle, dtype=np.float32)
    table = served.tokenizer.extend(served.table, mapped[~known])  # also past items that left: no code twice
    row = np.where(known, then, 0)
    row[~known] = len(served.table) + np.arange(int((~known).sum()))
    mapped[known] = old
    later = None if encoder is None else Mapped(encoder, centre, weights, middle)
    kept = ItemCodes(mapped, served.tokenizer, CodeTable(table.codes[row], table.sizes), later)
    return Kept(kept, int(known.sum()), fit)


def _into_old_space(vectors: Floats, known: Mask, old: Floats) -> tuple[Doubles, Doubles, Doubles, float]:
    """Centre [C], weights [C, D] and middle [D] of the map, and the share of the variance it explains."""
    x, y = vectors[known].astype(np.float64), old.astype(np.float64)
    centre, middle = x.mean(0), y.mean(0)
    x, y = x - centre, y - middle
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12)
    weights = np.linalg.solve(gram, x.T @ y)
    spread = float((y**2).sum())
    left = float(((y - x @ weights) ** 2).sum())
    return centre, weights, middle, 1.0 if spread == 0 else 1.0 - left / spread
