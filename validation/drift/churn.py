"""Churn: how many items, and how much of the traffic, got another semantic ID than they have in production.

What a code is called says nothing: a tokenizer that was fitted again may number the same clusters otherwise.
So the codes of each level are matched with those of the serving generation first, one to one, by the items
they share. Dims: I items that both generations know, L levels without the collision digit, K codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from models.recommender import Config
from models.tokenizers.code_table import CodeTable

Ints = NDArray[np.int64]


class ChurnConfig(Config):
    """What a new generation may change."""

    keep_codes: bool = Field(
        default=False,
        description="Items that serve keep their codes; the tokenizer that serves codes new ones.",
    )
    max_items: float | None = Field(default=None, ge=0, le=1, description="Share of items; None: any.")
    max_traffic: float | None = Field(
        default=None, ge=0, le=1, description="Share of training events on such items; None: any."
    )


@dataclass(frozen=True, slots=True)
class Churn:
    """Shares of items that both generations know.

    Attributes:
        items: those whose semantic ID is another one, the collision digit aside.
        traffic: events on such items.
        levels: items whose code at a level is another one; empty where the generations have other levels.
        shared: number of items that both know.
    """

    items: float
    traffic: float
    levels: tuple[float, ...]
    shared: int

    def findings(self, config: ChurnConfig) -> list[str]:
        """Sentences about limits that are passed; none where all is within them."""
        named = (("items", self.items, config.max_items), ("traffic", self.traffic, config.max_traffic))
        return [
            f"The semantic IDs of {share:.1%} of the {what} changed, but [churn] max_{what} allows "
            f"{limit:.1%}: raise it, or keep the tokenizer's settings and data."
            for what, share, limit in named
            if limit is not None and share > limit
        ]


def churn(
    old: CodeTable, old_keys: Sequence[str], new: CodeTable, new_keys: Sequence[str], traffic: Ints
) -> Churn:
    """Compare two generations.

    Args:
        old: codes of the serving generation.
        old_keys: its items, by id.
        new: codes of the next one.
        new_keys: its items, by id.
        traffic: int64 [items of the next one], events of each.
    """
    place = {key: number for number, key in enumerate(old_keys)}
    pairs = [(place[key], number) for number, key in enumerate(new_keys) if key in place]
    before, now = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    if not len(pairs) or old.semantic.shape[1] != new.semantic.shape[1]:
        return Churn(1.0 if pairs else 0.0, 1.0 if pairs else 0.0, (), len(pairs))
    changed = np.column_stack(
        [
            _changed(old.semantic[before, level], new.semantic[now, level])
            for level in range(new.semantic.shape[1])
        ]
    )
    moved, weight = changed.any(axis=1), traffic[now]
    share = float(weight[moved].sum() / max(1, weight.sum()))
    return Churn(float(moved.mean()), share, tuple(changed.mean(axis=0).tolist()), len(pairs))


def _changed(old: Ints, new: Ints) -> NDArray[np.bool_]:
    """Whether an item's code is not its old one's partner in the best matching: int64 [I] -> bool [I]."""
    shape = (int(old.max()) + 1, int(new.max()) + 1)
    shared = sp.coo_matrix((np.ones(len(old)), (old, new)), shape=shape).toarray()
    partner = np.full(shape[1], -1)
    rows, columns = linear_sum_assignment(shared, maximize=True)
    partner[columns] = rows
    changed: NDArray[np.bool_] = partner[new] != old
    return changed
