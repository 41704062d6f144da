"""Explain: why an item is in a list: its semantic ID and the item of the history that is most like it."""

from functools import cached_property

import numpy as np

from data.catalogue import Catalogue
from data.interactions import Ints
from models.content_neighbours import ContentNeighbours
from models.tokenizers.code_table import CodeTable
from serving.door.schemas import Explanation, Near


class Explainer:
    """Explains lists over one catalogue.

    Args:
        catalogue: its items.
        codes: their semantic IDs.
        neighbours: their content.
    """

    def __init__(self, catalogue: Catalogue, codes: CodeTable, neighbours: ContentNeighbours) -> None:
        self._catalogue = catalogue
        self._codes = codes
        self._neighbours = neighbours

    @cached_property
    def _below(self) -> Ints:
        """Items below each node of the trie: int64 [N]."""
        paths = self._codes.trie.paths()
        return np.bincount(paths.ravel(), minlength=len(self._codes.trie))

    @cached_property
    def _paths(self) -> Ints:
        return self._codes.trie.paths()

    def explain(self, items: Ints, history: Ints) -> list[Explanation]:
        """One explanation for each of `items`.

        Args:
            items: int64 ids.
            history: int64 ids, may be empty.
        """
        because = self._because(items, history)
        return [
            Explanation.model_construct(
                codes=self._codes.codes[item].tolist(),
                sharing=self._below[self._paths[item]].tolist(),
                because=near,
            )
            for item, near in zip(items.tolist(), because, strict=True)
        ]

    def _because(self, items: Ints, history: Ints) -> list[Near | None]:
        if not len(history) or not len(items):
            return [None] * len(items)
        cosine = self._neighbours.similarity(items, history)
        cosine[items[:, None] == history] = 0  # that it was had before is said by its source
        best = cosine.argmax(axis=1)
        nearest = zip(history[best].tolist(), cosine.max(axis=1).tolist(), strict=True)
        return [self._near(item, similarity) for item, similarity in nearest]

    def _near(self, item: int, similarity: float) -> Near | None:
        if similarity <= 0:
            return None
        key, title = self._catalogue.keys[item], self._catalogue.titles[item]
        return Near.model_construct(item=key, title=title, similarity=similarity)
