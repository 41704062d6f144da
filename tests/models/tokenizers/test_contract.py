"""What every kind of tokenizer keeps, run over the list of kinds."""

import numpy as np
import pytest

from models.fitting import fit_tokenizer, use_threads
from models.tokenizers.fsq import FSQConfig
from models.tokenizers.kinds import TOKENIZERS
from models.tokenizers.letter import LetterConfig
from models.tokenizers.product import ProductConfig
from models.tokenizers.quality import quality
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from models.tokenizers.rq_vae import RQVAEConfig
from models.tokenizers.store import ItemCodes, load_codes, save_codes

SMALL_VAE = {
    "n_levels": 2,
    "codebook_size": 4,
    "hidden": (16,),
    "latent": 4,
    "batch_rows": 64,
    "learning_rate": 1e-2,
    "warmup_epochs": 20,
    "epochs": 20,
}
CONFIGS = [
    ResidualKMeansConfig(n_levels=2, codebook_size=4),
    ProductConfig(n_levels=2, codebook_size=4, rotations=3, iterations=10),
    FSQConfig(n_levels=2, grid=(5, 4), hidden=16, batch_rows=32, learning_rate=2e-2, epochs=30),
    RQVAEConfig(**SMALL_VAE),
    LetterConfig(**SMALL_VAE, n_groups=2, regroup_steps=20),
]
N_CORNERS, N_ITEMS, SIZE = 4, 160, 8


def planted():
    """Items close around four far corners, mixed; the corner of each is its teacher vector."""
    rng = np.random.default_rng(0)
    corner = rng.permutation(np.repeat(np.arange(N_CORNERS), N_ITEMS // N_CORNERS))
    vectors = 3 * np.eye(SIZE)[corner] + 0.05 * rng.normal(size=(N_ITEMS, SIZE)) + 1
    return vectors.astype(np.float32), corner


def teacher_of(corner):
    return np.eye(N_CORNERS, dtype=np.float32)[corner]


@pytest.fixture(scope="module", params=CONFIGS, ids=[config.kind for config in CONFIGS])
def config(request):
    use_threads(1)
    return request.param


@pytest.fixture(scope="module")
def fitted(config):
    vectors, corner = planted()
    return fit_tokenizer(vectors, config, seed=0, teacher=teacher_of(corner))


def test_every_kind_is_here():
    assert [config.kind for config in CONFIGS] == list(TOKENIZERS)
    assert all(kind.tokenizer.kind == name for name, kind in TOKENIZERS.items())


def test_the_same_seed_gives_the_same_bits(config, fitted):
    vectors, corner = planted()
    again = fit_tokenizer(vectors, config, seed=0, teacher=teacher_of(corner))
    first, second = fitted.state(), again.state()
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_codes_are_in_range_and_rows_of_the_table_are_unique(config, fitted):
    vectors, _ = planted()
    codes = fitted.encode(vectors)
    assert codes.dtype == np.int64
    assert codes.shape == (N_ITEMS, config.n_levels)
    assert len(fitted.sizes) == config.n_levels
    assert (codes >= 0).all()
    assert (codes < fitted.sizes).all()
    table = fitted.table(vectors)
    assert np.array_equal(table.semantic, codes)
    assert table.semantic_sizes == fitted.sizes
    assert len(np.unique(table.codes, axis=0)) == N_ITEMS


def test_an_item_has_the_same_codes_alone_and_in_a_batch(fitted):
    vectors, _ = planted()
    alone = np.concatenate([fitted.encode(vectors[i : i + 1]) for i in range(10)])
    assert np.array_equal(alone, fitted.encode(vectors)[:10])


def test_extending_moves_nothing_and_encodes_the_new_ones(fitted):
    vectors, _ = planted()
    table = fitted.table(vectors[:100])
    longer = fitted.extend(table, vectors[100:])
    assert np.array_equal(longer.codes[:100], table.codes)
    assert np.array_equal(longer.semantic[100:], fitted.encode(vectors[100:]))
    assert np.array_equal(longer.codes, fitted.table(vectors).codes)
    assert np.array_equal(fitted.extend(table, vectors[:0]).codes, table.codes)


def test_decoded_vectors_are_much_nearer_than_the_mean_vector(fitted):
    vectors, _ = planted()
    decoded = fitted.decode(fitted.encode(vectors))
    assert decoded.dtype == np.float32
    assert decoded.shape == vectors.shape
    assert ((vectors - decoded) ** 2).sum() < 0.2 * ((vectors - vectors.mean(0)) ** 2).sum()


def test_planted_clusters_are_found(fitted):
    vectors, corner = planted()
    rows = fitted.table(vectors).semantic
    corners_of = [set(corner[(rows == row).all(axis=1)]) for row in np.unique(rows, axis=0)]
    assert all(len(corners) == 1 for corners in corners_of)
    assert len(corners_of) < N_ITEMS / 2  # neighbours share a row, so the rows are clusters


def test_it_comes_back_from_disk(config, fitted, tmp_path):
    vectors, _ = planted()
    save_codes(tmp_path / "codes.safetensors", ItemCodes(vectors, fitted, fitted.table(vectors)))
    loaded = load_codes(tmp_path / "codes.safetensors")
    assert type(loaded.tokenizer) is type(fitted)
    assert loaded.tokenizer.config == config
    assert loaded.table.generation == fitted.table(vectors).generation
    assert np.array_equal(loaded.tokenizer.encode(vectors), fitted.encode(vectors))
    assert np.array_equal(
        loaded.tokenizer.decode(loaded.table.semantic), fitted.decode(loaded.table.semantic)
    )


@pytest.mark.parametrize("bad", [np.full((3, SIZE), np.nan), np.zeros((0, SIZE))])
def test_vectors_that_are_not_finite_or_none_at_all_are_refused(config, bad):
    with pytest.raises(ValueError, match="needs finite vectors of at least one item, but got"):
        fit_tokenizer(bad.astype(np.float32), config, seed=0, teacher=np.ones((len(bad), 2), np.float32))


def test_vectors_of_another_size_are_refused(fitted):
    with pytest.raises(ValueError, match=r"of shape \[I, 8\], but got \[2, 3\]"):
        fitted.encode(np.zeros((2, 3), dtype=np.float32))


def test_constant_vectors_share_one_row_and_are_told_apart_by_the_digit(config):
    brief = {"epochs", "warmup_epochs"} & set(type(config).model_fields)
    vectors = np.ones((5, SIZE), dtype=np.float32)
    quick = config.model_copy(update=dict.fromkeys(brief, 1))
    table = fit_tokenizer(vectors, quick, seed=0, teacher=np.ones((5, 2), np.float32)).table(vectors)
    assert len(np.unique(table.semantic, axis=0)) == 1
    assert table.codes[:, -1].tolist() == [0, 1, 2, 3, 4]


def test_the_quality_report_is_sane(config, fitted):
    vectors, _ = planted()
    report = quality(fitted.table(vectors), fitted, vectors)
    assert report.n_items == N_ITEMS
    assert len(report.perplexity) == len(report.dead_codes) == config.n_levels
    assert all(1 <= p <= size for p, size in zip(report.perplexity, fitted.sizes, strict=True))
    assert 0 <= report.collision_share < 1
    assert 1 <= report.largest_collision <= N_ITEMS
    assert 0 <= report.reconstruction_error < 0.2
    assert report.neighbour_agreement > 1.3 * report.chance_agreement
