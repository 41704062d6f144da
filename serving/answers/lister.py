"""Lister: dense ids and scores to the lines of a response."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from data.catalogue import Catalogue
from data.interactions import Ints
from models.recommender import Floats
from serving.door.schemas import Explanation, RecommendedItem, Source

_LINES = TypeAdapter(list[RecommendedItem])  # a third of the time of `model_construct`, which is Python


class Lister:
    """Names items of one catalogue.

    Args:
        catalogue: the items.
        source: where lists of the model come from, "generative" or "counts".
    """

    def __init__(self, catalogue: Catalogue, source: Source) -> None:
        self._catalogue = catalogue
        self._source: Source = source

    def lines(
        self,
        items: Ints,
        scores: Floats,
        *,
        history: Sequence[int] = (),
        source: Source | None = None,
        why: Sequence[Explanation] | None = None,
        first: int = 0,
    ) -> list[RecommendedItem]:
        """The lines of a list, best first.

        Args:
            items: int64 ids.
            scores: parallel to `items`.
            history: ids that count as repeats.
            source: of the other items; None: of the model.
            why: parallel to `items`, where it was asked for.
            first: rank of the first line.
        """
        keys, titles, own = self._catalogue.keys, self._catalogue.titles, set(history)
        explanations: Sequence[Explanation | None] = why or [None] * len(items)
        found = zip(items.tolist(), scores.tolist(), explanations, strict=True)
        return _LINES.validate_python(
            [
                {
                    "item": keys[item],
                    "title": titles[item],
                    "score": score,
                    "rank": rank,
                    "source": "repeats" if item in own else source or self._source,
                    "explanation": explanation,
                }
                for rank, (item, score, explanation) in enumerate(found, first)
            ]
        )
