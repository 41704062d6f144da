"""Edits: everything that was changed about a catalogue so far, as one immutable value; knows no model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.catalogue.schemas import CatalogueChange

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Edits:
    """The sum of changes, by item key.

    Attributes:
        fields: of each item that was added or changed, what was said last about each of its fields.
        born: of each item that some bundle did not have, its fields when it was added, in the order of
            adding: its codes come from these and stay, whatever its text becomes.
        hidden: keys of hidden items.
        stock: of some items, whether they are in stock.
        marks: SHA-256 of each entry of `fields`, in its order: a row is hashed once, not with every version.
        born_mark: SHA-256 of `born`, each row chained to those before.
    """

    fields: Mapping[str, Fields] = field(default_factory=dict)
    born: Mapping[str, Fields] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    stock: Mapping[str, bool] = field(default_factory=dict)
    marks: Mapping[str, bytes] = field(default_factory=dict)
    born_mark: bytes = b""

    def after(self, change: CatalogueChange, known: Mapping[str, object]) -> "Edits":
        """These and one change more.

        Args:
            change: checked by `check`, or kept from an earlier time.
            known: keys of the bundle's items.
        """
        fields, born, stock = dict(self.fields), dict(self.born), dict(self.stock)
        marks, born_mark = dict(self.marks), self.born_mark
        for each in change.items:
            if each.in_stock is not None:
                stock[each.item] = each.in_stock
            elif "in_stock" in (each.fields or {}):
                stock.pop(each.item, None)  # the column speaks again
            if not each.fields:
                continue
            fields[each.item] = {**fields.get(each.item, {}), **each.fields}
            row = json.dumps([each.item, fields[each.item]], sort_keys=True).encode()
            marks[each.item] = hashlib.sha256(row).digest()
            if each.item not in known and each.item not in born:
                born[each.item] = fields[each.item]
                born_mark = hashlib.sha256(born_mark + row).digest()
        gone = {each.item for each in change.items if each.hidden is False}
        return Edits(
            fields,
            born,
            (self.hidden - gone) | {each.item for each in change.items if each.hidden},
            stock,
            marks,
            born_mark,
        )

    def digest(self, bundle: str) -> str:
        """SHA-256 (hex) of what these make of a bundle."""
        total = hashlib.sha256(bundle.encode())
        total.update(b"".join(self.marks.values()) + b"/" + self.born_mark)
        total.update(json.dumps([sorted(self.hidden), sorted(self.stock.items())]).encode())
        return total.hexdigest()


def check(change: CatalogueChange, edits: Edits, known: Mapping[str, object]) -> None:
    """Refuse a change that names an item which neither is there nor comes with it.

    Raises:
        ValueError: an unknown item without a field that says something.
    """
    for each in change.items:
        is_there = each.item in known or each.item in edits.born
        if is_there or any(value not in (None, "", []) for value in (each.fields or {}).values()):
            continue
        raise ValueError(
            f"an item that is new must come with a field that is filled, but {each.item!r} is not in the "
            "catalogue and has none: correct its key, or send its fields."
        )
