"""Build: a bundle and the edits so far to an answerer that is warm; changes nothing that serves.

New items are encoded by the bundle's frozen encoder and tokenizer and appended, so no dense id and no code
moves. Dims: I items of the bundle, J new ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from data.catalogue import Catalogue
from models.bundle import Bundle
from models.extension import can_extend, extended, needs_codes
from models.tokenizers.store import ItemCodes
from serving.answers.answerer import Answerer
from serving.answers.availability import Availability
from serving.catalogue.edits import Edits, Fields
from serving.loading import warm_up


@dataclass(frozen=True, slots=True)
class Grown:
    """A bundle with new items.

    Attributes:
        born: what the new items were when they were added.
        bundle: model, codes and catalogue of all of them; changed fields are not in it.
        left_out: new items that it has not, because its model cannot take them on.
        reason: why not.
    """

    born: Mapping[str, Fields]
    bundle: Bundle
    left_out: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """An answerer for a version, and what it was made from."""

    answerer: Answerer
    grown: Grown


def build(base: Answerer, edits: Edits, number: int, earlier: Iterable[Built] = ()) -> Built:
    """The answerer of `base`'s bundle after `edits`.

    Args:
        base: of the bundle as it was loaded.
        edits: all changes so far.
        number: of the version.
        earlier: of the same base; one with the same new items is not built again.

    Raises:
        ValueError: a field's value does not fit its column.
    """
    known, columns = base.bundle.catalogue.id_of, frozenset(base.bundle.catalogue.fields)
    born = {key: fields for key, fields in edits.born.items() if key not in known}
    grown = next((each.grown for each in earlier if _same(each.grown.born, born)), None)
    grown = grown or _grown(base.bundle, born, columns)
    there = grown.bundle.catalogue.id_of
    moved = {key: said for key, said in edits.fields.items() if key in there and said != born.get(key)}
    fields = {key: _of(columns, said) for key, said in moved.items()}
    catalogue = grown.bundle.catalogue.with_fields(fields)
    answerer = Answerer(
        replace(grown.bundle, catalogue=catalogue),
        base.lineage.bundle,
        base.lineage.bento,
        Availability(edits.hidden, edits.stock),
        number,
        like=base,
    )
    warm_up(answerer)
    return Built(answerer, grown)


def _grown(bundle: Bundle, born: Mapping[str, Fields], columns: frozenset[str]) -> Grown:
    """The bundle with new items, or without them and why."""
    if not born:
        return Grown(born, bundle)
    catalogue = bundle.catalogue.with_fields({key: _of(columns, said) for key, said in born.items()})
    try:
        items = _coded(bundle, catalogue.since(len(bundle.catalogue)))
        codes, vectors = (None, None) if items is None else (items.table, items.vectors)
        recommender = extended(bundle.recommender, len(born), codes, vectors)
    except (ValueError, ModuleNotFoundError) as error:
        return Grown(born, bundle, len(born), str(error))
    return Grown(born, replace(bundle, recommender=recommender, catalogue=catalogue, items=items))


def _coded(bundle: Bundle, new: Catalogue) -> ItemCodes | None:
    """Vectors and codes of all items; None where a bundle without codes has a model that needs none.

    Raises:
        ValueError: the bundle does not carry what encodes them.
        ModuleNotFoundError: its encoder needs a package that is not installed.
    """
    items, family = bundle.items, bundle.recommender.family
    if items is None and (not needs_codes(family) or not can_extend(family)):
        return None
    if items is None or items.encoder is None:
        raise ValueError(
            "new items need a bundle that carries its item encoder, but this one has none, because it was "
            "made by an older version: retrain once."
        )
    vectors = items.encoder.encode(new)
    table = items.tokenizer.extend(items.table, vectors)
    return replace(items, vectors=np.concatenate([items.vectors, vectors]), table=table)


def _of(columns: frozenset[str], said: Fields) -> Fields:
    """The fields that this bundle has; a change may have been kept from one with others."""
    return said if said.keys() <= columns else {name: said[name] for name in said.keys() & columns}


def _same(ours: Mapping[str, Fields], theirs: Mapping[str, Fields]) -> bool:
    return list(ours) == list(theirs) and ours == theirs
