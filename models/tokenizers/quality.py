"""Quality of semantic IDs: collisions, use of the codes, reconstruction, agreement of neighbours.

The same numbers for every kind of tokenizer; the collision digit counts in none but the collisions.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.interactions import Ints
from models.recommender import Floats
from models.tokenizers.code_table import CodeTable
from models.tokenizers.tokenizer import Tokenizer

NEIGHBOURS = 10
SAMPLE = 1_000
CELLS_PER_PASS = 10_000_000


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
        neighbour_agreement: share of an item's codes that one of its 10 nearest items has at the same level,
            the mean over items, neighbours and levels. Codes without an order count like codes with one;
            deep levels of a coarse-to-fine code agree less by design, so compare like shapes.
        chance_agreement: the same for two items drawn at random.
    """

    n_items: int
    collision_share: float
    largest_collision: int
    perplexity: list[float]
    dead_codes: list[int]
    reconstruction_error: float
    neighbour_agreement: float
    chance_agreement: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def quality(table: CodeTable, tokenizer: Tokenizer, vectors: Floats) -> Quality:
    """Judge `table`, made by `tokenizer` from `vectors` (float32 [I, D])."""
    codes = table.semantic
    use = [np.bincount(codes[:, level], minlength=size) for level, size in enumerate(table.semantic_sizes)]
    missed = ((vectors - tokenizer.decode(codes)) ** 2).sum(1).mean()
    return Quality(
        n_items=len(table),
        collision_share=float((table.codes[:, -1] > 0).mean()),
        largest_collision=int(table.codes[:, -1].max()) + 1,
        perplexity=[_perplexity(counts) for counts in use],
        dead_codes=[int((counts == 0).sum()) for counts in use],
        reconstruction_error=float(missed / max(float((vectors**2).sum(1).mean()), 1e-12)),
        neighbour_agreement=neighbour_agreement(codes, vectors),
        chance_agreement=float(np.mean([((counts / counts.sum()) ** 2).sum() for counts in use])),
    )


def neighbour_agreement(codes: Ints, vectors: Floats) -> float:
    """See `Quality`; over at most SAMPLE evenly spaced items.

    Args:
        codes: int64 [I, L].
        vectors: float32 [I, D], which say what is near.
    """
    sample = np.unique(np.linspace(0, len(vectors) - 1, SAMPLE).astype(int))
    near = min(NEIGHBOURS, len(vectors) - 1)
    if near < 1:
        return 1.0
    norms = (vectors**2).sum(1)
    shares = []
    for rows in np.array_split(sample, -(-len(sample) * len(vectors) // CELLS_PER_PASS)):
        distance = norms - 2 * vectors[rows] @ vectors.T
        distance[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(distance, near - 1, axis=1)[:, :near]
        shares.append((codes[nearest] == codes[rows][:, None]).mean(axis=(1, 2)))
    return float(np.concatenate(shares).mean())


def _perplexity(counts: np.ndarray[Any, Any]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
