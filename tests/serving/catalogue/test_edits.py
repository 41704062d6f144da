"""The digest of edits stands for their content, whichever way they came about."""

from typing import Any

from serving.catalogue.edits import Edits
from serving.catalogue.schemas import CatalogueChange

KNOWN = {"10": 0, "11": 1}


def after(*changes: dict[str, Any]) -> Edits:
    edits = Edits()
    for change in changes:
        edits = edits.after(CatalogueChange.model_validate({"items": [change]}), KNOWN)
    return edits


def milk(title: str) -> dict[str, Any]:
    return {"item": "10", "fields": {"title": title}}


NEW = {"item": "99", "fields": {"title": "oat milk"}}


def test_equal_contents_have_equal_digests() -> None:
    assert after(milk("a"), milk("b"), milk("a")).digest("d") == after(milk("a")).digest("d")
    assert after(NEW, milk("a")).digest("d") == after(NEW, milk("a")).digest("d")
    assert after(NEW, {"item": "99", "hidden": True}, {"item": "99", "hidden": False}).digest("d") == after(
        NEW
    ).digest("d")


def test_each_difference_makes_another_digest() -> None:
    other = {"item": "98", "fields": {"title": "oat milk"}}
    edits = [
        after(),
        after(milk("a")),
        after(milk("b")),
        after(NEW),
        after(NEW, other),
        after(other, NEW),
        after({"item": "99", "fields": {"title": "x"}}, NEW),  # its codes come from what it was first
        after({"item": "10", "hidden": True}),
        after({"item": "10", "in_stock": False}),
        after({"item": "10", "in_stock": True}),
    ]
    digests = [each.digest("d") for each in edits] + [after().digest("e")]
    assert len(set(digests)) == len(digests)
