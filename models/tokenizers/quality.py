"""Quality of semantic IDs: collisions, use of the codes, reconstruction, agreement of neighbourhoods."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.recommender import Floats
from models.tokenizers.code_table import CodeTable
from models.tokenizers.residual_kmeans import ResidualKMeans

NEIGHBOURS = 10
SAMPLE = 1_000


@dataclass(frozen=True, slots=True)
class Quality:
    """Numbers that tell a good vocabulary from a bad one.

    Attributes:
        n_items: I.
        collision_share: items that need a collision digit other than 0, as a share.
        largest_collision: most items on one code row.
        perplexity: per level, exp(entropy) of the code use; K is perfect balance.
        dead_codes: per level, codes that no item uses.
        reconstruction_error: mean squared distance to the decoded vector, relative to the mean squared norm.
        neighbour_agreement: share of an item's 10 nearest vectors that share its first code.
    """

    n_items: int
    collision_share: float
    largest_collision: int
    perplexity: list[float]
    dead_codes: list[int]
    reconstruction_error: float
    neighbour_agreement: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def quality(table: CodeTable, tokenizer: ResidualKMeans, vectors: Floats) -> Quality:
    """Judge `table`, made by `tokenizer` from `vectors` (float32 [I, D])."""
    codes, sizes = table.codes[:, :-1], table.sizes[:-1]
    use = [np.bincount(codes[:, level], minlength=size) for level, size in enumerate(sizes)]
    missed = ((vectors - tokenizer.decode(codes)) ** 2).sum(1).mean()
    return Quality(
        n_items=len(table),
        collision_share=float((table.codes[:, -1] > 0).mean()),
        largest_collision=table.sizes[-1],
        perplexity=[_perplexity(counts) for counts in use],
        dead_codes=[int((counts == 0).sum()) for counts in use],
        reconstruction_error=float(missed / max(float((vectors**2).sum(1).mean()), 1e-12)),
        neighbour_agreement=_agreement(codes[:, 0], vectors),
    )


def _perplexity(counts: np.ndarray[Any, Any]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _agreement(first_code: np.ndarray[Any, Any], vectors: Floats) -> float:
    """Over at most SAMPLE evenly spaced items."""
    sample = np.unique(np.linspace(0, len(vectors) - 1, SAMPLE).astype(int))
    near = min(NEIGHBOURS, len(vectors) - 1)
    if near < 1:
        return 1.0
    distance = (vectors**2).sum(1) - 2 * vectors[sample] @ vectors.T
    distance[np.arange(len(sample)), sample] = np.inf
    nearest = np.argpartition(distance, near - 1, axis=1)[:, :near]
    return float((first_code[nearest] == first_code[sample][:, None]).mean())
