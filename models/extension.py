"""Extension: a fitted model takes on items that came after it was fitted, without training.

Knows which family can do it and by what; not when it is done (`serving/catalogue`). Old items keep their
dense ids, and their order among themselves as far as the model allows: exactly in families that count and in
trie-pointer, nearly where probabilities are shared out anew (the other families over codes).
"""

from data.interactions import Ints
from models.families import FAMILIES
from models.recommender import Floats, Recommender
from models.tokenizers.code_table import CodeTable


def needs_codes(family: str) -> bool:
    """Whether models of this family place a new item by its semantic ID and its content."""
    return hasattr(FAMILIES[family].recommender, "with_codes")


def can_extend(family: str) -> bool:
    """Whether models of this family can take on items without training."""
    return needs_codes(family) or hasattr(FAMILIES[family].recommender, "with_uncounted")


def extended(
    recommender: Recommender, n_new: int, codes: CodeTable | None = None, vectors: Floats | None = None
) -> Recommender:
    """A model that also ranks `n_new` more items, whose ids follow those it knows; the given one stays.

    Args:
        recommender: knows I items.
        n_new: J. In a family that counts they have no counts, and come where no count speaks.
        codes: semantic IDs of all I + J items, the first I as the model knows them; for families over codes.
        vectors: float32 [I + J, C], content vectors likewise.

    Raises:
        ValueError: the family cannot, or codes and vectors are missing or do not belong to the model.
    """
    family = recommender.family
    if not can_extend(family):
        able = ", ".join(name for name in FAMILIES if can_extend(name))
        raise ValueError(
            f"New items need a model that scores by codes or counts ({able}), but {family} knows an item by "
            "its events alone: retrain with them, or serve one of these families."
        )
    if not needs_codes(family):
        grown: Recommender = FAMILIES[family].recommender.with_uncounted(recommender, n_new)
        return grown
    if codes is None or vectors is None:
        raise ValueError(
            f"{family} places a new item by its codes, but got none: serve a bundle that carries its item "
            "encoder and tokenizer (retrain once)."
        )
    _check(recommender.state()["codes"], n_new, codes, vectors)
    grown = FAMILIES[family].recommender.with_codes(recommender, codes, vectors)
    return grown


def _check(known: Ints, n_new: int, codes: CodeTable, vectors: Floats) -> None:
    n_items = len(known) + n_new
    same = codes.codes.shape[1] == known.shape[1] and (codes.codes[: len(known)] == known).all()
    if not (len(codes) == len(vectors) == n_items and same):
        raise ValueError(
            f"The first {len(known)} of {n_items} items must have the codes that the model knows, but got "
            f"{len(codes)} codes and {len(vectors)} vectors, or other codes: extend the bundle's own table."
        )
