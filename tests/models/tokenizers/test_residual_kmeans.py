import numpy as np
import pytest

from models.tokenizers.quality import quality
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig

CONFIG = ResidualKMeansConfig(n_levels=2, codebook_size=4)


def planted():
    """Four far corners, each with the same four near spots; every one of the 16 vectors 12 times, mixed."""
    cell = np.random.default_rng(0).permutation(np.repeat(np.arange(16), 12))
    corner, spot = cell // 4, cell % 4
    return np.hstack([10 * np.eye(4)[corner], np.eye(4)[spot]]).astype(np.float32), corner


def test_the_first_code_finds_the_planted_corners():
    vectors, corner = planted()
    codes = ResidualKMeans.fit(vectors, CONFIG, seed=0).encode(vectors)
    assert len(np.unique(np.column_stack([corner, codes[:, 0]]), axis=0)) == 4


def test_two_levels_reconstruct_the_planted_sums():
    vectors, _ = planted()
    tokenizer = ResidualKMeans.fit(vectors, CONFIG, seed=0)
    assert np.abs(tokenizer.decode(tokenizer.encode(vectors)) - vectors).max() < 1e-3


def test_the_same_seed_gives_the_same_codes():
    vectors, _ = planted()
    once, again = (ResidualKMeans.fit(vectors, CONFIG, seed=3).table(vectors) for _ in range(2))
    assert once.generation == again.generation


def test_extending_moves_no_published_code():
    vectors, _ = planted()
    tokenizer = ResidualKMeans.fit(vectors[:150], CONFIG, seed=0)
    table = tokenizer.table(vectors[:150])
    longer = tokenizer.extend(table, vectors[150:])
    assert np.array_equal(longer.codes[:150], table.codes)
    assert len(longer) == 192


def test_fewer_vectors_than_codes_is_fine():
    vectors = np.eye(3, dtype=np.float32)
    table = ResidualKMeans.fit(vectors, CONFIG, seed=0).table(vectors)
    assert table.sizes[:2] == (3, 3)


def test_vectors_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="needs finite vectors"):
        ResidualKMeans.fit(np.full((3, 2), np.nan, dtype=np.float32), CONFIG, seed=0)


def test_quality_of_equal_items():
    # six items on two distinct vectors: 4 of 6 need a digit above 0; both codes used evenly
    vectors = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    tokenizer = ResidualKMeans.fit(vectors, ResidualKMeansConfig(n_levels=1, codebook_size=2), seed=0)
    report = quality(tokenizer.table(vectors), tokenizer, vectors)
    assert report.collision_share == pytest.approx(4 / 6)
    assert report.largest_collision == 3
    assert report.perplexity == pytest.approx([2.0])
    assert report.reconstruction_error == pytest.approx(0.0, abs=1e-9)
