"""Product quantisation: a rotated vector is cut into slots, each looked up in a codebook of its own.

Optimised product quantisation (Ge et al. 2013, CVPR, section 3.1, the non-parametric solution): k-means in
each slot and the best rotation for its centroids take turns. The codes of RPG (Hou et al. 2025,
arXiv:2506.05781, section 2.2): long, without an order, so a model can predict all of them at once. Departures
from RPG: no whitening, and the collision digit is appended as for the other kinds; use `CodeTable.semantic`
where codes may collide. Dims: I items, D vector size, L slots, K codes of a slot.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from data.interactions import Ints
from models.recommender import Arrays, Config, Floats
from models.tokenizers.clustering import kmeans, n_distinct, nearest
from models.tokenizers.tokenizer import Tokenizer, checked

Wide = NDArray[np.float64]
STEPS_PER_ROTATION = 2


class ProductConfig(Config):
    """Shape of the semantic IDs."""

    kind: Literal["product"] = "product"
    n_levels: int = Field(default=16, ge=1, le=64, description="L, slots before the collision digit.")
    codebook_size: int = Field(default=256, ge=2, le=65_536, description="K, codes of each slot.")
    rotations: int = Field(
        default=20, ge=0, description="Rounds of fitting the rotation; 0 keeps a random one."
    )
    iterations: int = Field(default=20, ge=1, description="Rounds of k-means after that.")


@dataclass(frozen=True, slots=True)
class Product(Tokenizer):
    """A fitted tokenizer.

    Attributes:
        config: its settings.
        rotation: float32 [L * W, D], orthonormal columns; a rotated vector has L slots of width W.
        codebooks: float32 [L, K', W]; K' < K where there are fewer distinct vectors than K.
    """

    kind: ClassVar[str] = "product"
    config: ProductConfig
    rotation: Floats
    codebooks: Floats

    @classmethod
    def fit(cls, vectors: Floats, config: ProductConfig, *, seed: int, teacher: Floats | None = None) -> Self:
        """See `Tokenizer.fit`."""
        given = checked(vectors)
        n_codes = min(config.codebook_size, n_distinct(given))
        wide = given.astype(np.float64)
        rotation = random_rotation(given.shape[1], config.n_levels, seed)
        books = _books(_slots(wide, rotation, config), n_codes, 1, seed, None)
        for _ in range(config.rotations):
            rotation = _best_rotation(wide, rotation, books, config)
            books = _books(_slots(wide, rotation, config), n_codes, STEPS_PER_ROTATION, seed, books)
        kept = rotation.astype(np.float32)
        slots = _slots(wide, kept, config)
        return cls(config, kept, _books(slots, n_codes, config.iterations, seed, books))

    @property
    def sizes(self) -> tuple[int, ...]:
        """See `Tokenizer.sizes`."""
        return (self.codebooks.shape[1],) * self.config.n_levels

    def encode(self, vectors: Floats) -> Ints:
        """See `Tokenizer.encode`."""
        given = checked(vectors, size=self.rotation.shape[1])
        return _codes(_slots(given, self.rotation, self.config), self.codebooks)

    def decode(self, codes: Ints) -> Floats:
        """See `Tokenizer.decode`."""
        vectors: Floats = _looked_up(codes, self.codebooks) @ self.rotation
        return vectors

    def state(self) -> Arrays:
        """See `Tokenizer.state`."""
        return {"rotation": self.rotation, "codebooks": self.codebooks}

    @classmethod
    def from_state(cls, config: ProductConfig, state: Arrays) -> Self:
        """See `Tokenizer.from_state`."""
        return cls(config, state["rotation"], state["codebooks"])


def random_rotation(size: int, n_slots: int, seed: int) -> Wide:
    """float64 [L * W, D], orthonormal columns, W = D / L rounded up; spreads what is large over all slots.

    Args:
        size: D.
        n_slots: L.
        seed: of the draw.
    """
    full = n_slots * -(-size // n_slots)
    square, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(full, full)))
    rotation: Wide = square[:, :size]
    return rotation


def _slots(vectors: NDArray[Any], rotation: NDArray[Any], config: ProductConfig) -> Wide:
    """Rotated and cut, in float64: [I, D] -> [L, I, W]."""
    turned: Wide = vectors.astype(np.float64) @ rotation.T.astype(np.float64)
    return turned.reshape(len(turned), config.n_levels, rotation.shape[0] // config.n_levels).swapaxes(0, 1)


def _books(slots: Wide, n_codes: int, iterations: int, seed: int, warm: Floats | None) -> Floats:
    """K-means in each slot, gone on from `warm` if given: float32 [L, K, W]."""
    return np.stack(
        [
            kmeans(
                slot.astype(np.float32),
                n_codes,
                iterations=iterations,
                seed=seed + level,
                starts=1,
                warm=None if warm is None else warm[level],
            )
            for level, slot in enumerate(slots)
        ]
    )


def _codes(slots: Wide, books: Floats) -> Ints:
    return np.stack([nearest(slot, book) for slot, book in zip(slots, books, strict=True)], axis=1)


def _looked_up(codes: Ints, books: Floats) -> Floats:
    """The rotated vectors that codes stand for: float32 [I, L * W]."""
    found: Floats = books[np.arange(codes.shape[1]), codes].reshape(len(codes), -1)
    return found


def _best_rotation(vectors: Wide, rotation: Wide, books: Floats, config: ProductConfig) -> Wide:
    """The rotation that brings the vectors closest to their centroids (orthogonal Procrustes)."""
    target = _looked_up(_codes(_slots(vectors, rotation, config), books), books)
    left, _, right = np.linalg.svd(target.T.astype(np.float64) @ vectors, full_matrices=False)
    best: Wide = left @ right
    return best
