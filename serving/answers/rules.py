"""Rules: what a request allows, from keys and fields to dense ids and masks."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from data.catalogue import Catalogue
from data.interactions import Ints
from models.recommender import Mask
from serving.answers.availability import Availability
from serving.answers.query import Rules, Unanswerable
from serving.door.schemas import ListRules

STOCK = "in_stock"
KEPT = 32  # masks of filters; one has a byte for each item


class RuleBook:
    """Translates the rules of requests for one catalogue; safe in several threads.

    Args:
        catalogue: its items; a column `in_stock` of booleans says what can be sold, null counts as yes.
        availability: hidden items, which no request gets, and what is said about stock beside the column.
    """

    def __init__(self, catalogue: Catalogue, availability: Availability | None = None) -> None:
        self._catalogue = catalogue
        self._availability = availability or Availability()
        self._shown = self._not_hidden()
        self._having = lru_cache(maxsize=KEPT)(self._find)

    @property
    def fields(self) -> list[str]:
        """What can be filtered by."""
        return sorted(name for name in self._catalogue.frame.columns if name != "item_key")

    def read(self, asked: ListRules, barred: Ints) -> Rules:
        """The rules of a request, together with items that are barred anyway: int64 ids.

        Raises:
            Unanswerable: a filter names a field that the items do not have, or stock is not known.
        """
        if asked.exclude or len(barred):
            barred = np.union1d(barred, self.known(asked.exclude))
        candidates = None if asked.allow is None else self.known(asked.allow)
        return Rules(barred, candidates, self._only(asked.filters, in_stock=asked.in_stock))

    def known(self, keys: list[str]) -> Ints:
        """Ids of the keys that the catalogue has."""
        ids = self._catalogue.ids(keys)
        return ids[ids >= 0]

    def unknown(self, *keys: Sequence[str]) -> list[str]:
        """Keys that the catalogue does not have, each once, in their order."""
        missing = (key for some in keys for key in some if key not in self._catalogue.id_of)
        return list(dict.fromkeys(missing))

    def _only(self, filters: Mapping[str, Sequence[str]], *, in_stock: bool) -> Mask | None:
        masks = [self._having(field, tuple(sorted(set(values)))) for field, values in filters.items()]
        if in_stock:
            masks.append(self._sold())
        if self._shown is not None:
            masks.append(self._shown)
        return np.logical_and.reduce(masks) if masks else None

    def _not_hidden(self) -> Mask | None:
        """Bool [I]; None where nothing is hidden."""
        ids = self.known(list(self._availability.hidden))
        if not len(ids):
            return None
        shown = np.ones(len(self._catalogue), dtype=np.bool_)
        shown[ids] = False
        return shown

    def _sold(self) -> Mask:
        stock, has_column = self._availability.stock, STOCK in self._catalogue.frame.columns
        if not has_column and not stock:
            raise Unanswerable(
                f"in_stock: the items must have a column {STOCK}, but have none: leave in_stock out, add "
                "the column to the source, or say it by PUT /catalogue."
            )
        sold = (
            ~self._having(STOCK, ("false",)) if has_column else np.ones(len(self._catalogue), dtype=np.bool_)
        )
        ids = self._catalogue.ids(list(stock))
        sold[ids[ids >= 0]] = np.fromiter(stock.values(), dtype=np.bool_)[ids >= 0]
        return sold

    def _find(self, field: str, values: tuple[str, ...]) -> Mask:
        """Items with one of the values: bool [I]."""
        if field not in self.fields:
            raise Unanswerable(
                f"filters: a field must be one of {', '.join(self.fields) or '(none)'}, but got {field!r}: "
                "correct the name."
            )
        return self._catalogue.having(field, values)
