"""Kept codes: nothing that serves moves, and new items land where their like are."""

import numpy as np
import pytest

from models.tokenizers.keep import keep_codes
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from models.tokenizers.store import ItemCodes

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(6, 8)) * 5


def vectors_of(n: int) -> np.ndarray:
    return (CENTRES[np.arange(n) % 6] + 0.1 * RNG.normal(size=(n, 8))).astype(np.float32)


def served(vectors: np.ndarray) -> ItemCodes:
    tokenizer = ResidualKMeans.fit(vectors, ResidualKMeansConfig(n_levels=2, codebook_size=6), seed=0)
    return ItemCodes(vectors, tokenizer, tokenizer.table(vectors))


@pytest.mark.parametrize("turned", [False, True])
def test_known_items_keep_vector_and_codes_and_new_ones_join_their_cluster(turned):
    every = vectors_of(66)
    before = served(every[:60])
    turn = np.linalg.qr(RNG.normal(size=(8, 8)))[0] if turned else np.eye(8)
    now = [65, 3, 60, 7, *range(10, 50), 64, 61, 62, 63]  # new and old mixed, some old ones gone
    today = (every[now] @ turn * (2.0 if turned else 1.0)).astype(np.float32)
    kept = keep_codes(before, today, np.array([item if item < 60 else -1 for item in now]))
    old = [(row, item) for row, item in enumerate(now) if item < 60]
    rows, items = map(list, zip(*old, strict=True))
    np.testing.assert_array_equal(kept.codes.table.codes[rows], before.table.codes[items])
    np.testing.assert_array_equal(kept.codes.vectors[rows], before.vectors[items])
    assert (kept.shared, len(kept.codes.table)) == (42, len(now))
    assert kept.fit > 0.99
    new = [row for row, item in enumerate(now) if item >= 60]
    as_if_seen = before.tokenizer.encode(every[[now[row] for row in new]])
    np.testing.assert_array_equal(kept.codes.table.codes[new, 0], as_if_seen[:, 0])


def test_the_same_catalogue_is_the_same_generation():
    vectors = vectors_of(30)
    before = served(vectors)
    kept = keep_codes(before, vectors[:, ::-1].copy(), np.arange(30))
    assert kept.codes.table.generation == before.table.generation


def test_a_new_item_never_gets_the_code_of_one_that_left():
    vectors = np.repeat(vectors_of(6), 3, axis=0)  # three equal items a cluster: told apart by their digit
    before = served(vectors)
    today = np.concatenate([vectors[1:], vectors[:1]])
    then = np.array([*range(1, 18), -1])  # item 0, with the digit 0 of its cluster, is gone
    kept = keep_codes(before, today, then)
    assert kept.codes.table.codes[-1].tolist() == [*before.table.codes[0, :-1].tolist(), 3]


def test_catalogues_without_a_shared_item_are_refused():
    vectors = vectors_of(12)
    with pytest.raises(ValueError, match="none of 12 was among the 12 that serve"):
        keep_codes(served(vectors), vectors, np.full(12, -1))
