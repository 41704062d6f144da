"""Raw events: a snapshot's rows as plain arrays, read without the code that builds windows.

Dims: E events, in the order of the snapshot.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.interactions import Ints
from data.snapshot import Snapshot
from data.split import Window


@dataclass(frozen=True, slots=True)
class RawEvents:
    """Rows of the interactions; int64 [E] each.

    Attributes:
        user: row of the user in a window, -1 where the window does not know the user.
        item: dense id of the item in a window, -1 where its catalogue does not have it.
        user_key: numbers all users, those that the window does not know included.
        item_key: numbers all items likewise.
        time: Unix seconds.
        basket: numbers all baskets; each event is its own where the snapshot has none.
    """

    user: Ints
    item: Ints
    user_key: Ints
    item_key: Ints
    time: Ints
    basket: Ints

    @classmethod
    def of(cls, snapshot: Snapshot, window: Window) -> "RawEvents":
        """All events of `snapshot`, with the ids of `window`."""
        frame = snapshot.interactions().to_pandas()
        alone = "basket_key" not in frame.columns
        user_key, user = _numbered(frame["user_key"], window.user_keys)
        item_key, item = _numbered(frame["item_key"], window.catalogue.keys)
        basket = np.arange(len(frame)) if alone else pd.factorize(frame["basket_key"])[0].astype(np.int64)
        return cls(user, item, user_key, item_key, frame["timestamp"].to_numpy(np.int64), basket)

    def where(self, keep: NDArray[np.bool_]) -> "RawEvents":
        """Only the events where `keep` (bool [E]) is true."""
        columns = (self.user, self.item, self.user_key, self.item_key, self.time, self.basket)
        return RawEvents(*(column[keep] for column in columns))


def _numbered(column: "pd.Series[Any]", keys: list[str]) -> tuple[Ints, Ints]:
    """A number for each distinct value, and the place of each value in `keys`, -1 where it has none."""
    codes, values = pd.factorize(column)
    place = pd.Index(keys).get_indexer(pd.Index(values))
    return codes.astype(np.int64), place[codes].astype(np.int64)
