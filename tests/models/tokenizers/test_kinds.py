"""What is particular to one kind of tokenizer, worked by hand."""

import math

import numpy as np
import pytest
import torch

from models.fitting import fit_tokenizer
from models.tokenizers.fsq import Grid
from models.tokenizers.letter import LetterConfig, alignment, diversity, equal_groups
from models.tokenizers.product import Product, ProductConfig, random_rotation
from models.tokenizers.quality import neighbour_agreement
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from models.tokenizers.rq_vae import ResidualVAE, RQVAEConfig


def test_ids_of_a_grid_of_three_times_two():
    # digits (0, 0), (1, 0), (2, 0), (0, 1)...: three values -1, 0, 1 first, then two values -1, 0
    points = [[-1, -1], [0, -1], [1, -1], [-1, 0], [0, 0], [1, 0]]
    assert Grid((3, 2)).points(torch.arange(6)).tolist() == points


@pytest.mark.parametrize("grid", [(8, 8, 8, 6, 5), (2, 3), (7,)])
def test_every_id_of_a_grid_is_reached_and_comes_back(grid):
    module, ids = Grid(grid).double(), torch.arange(math.prod(grid))
    points = module.points(ids)
    assert torch.equal(module.ids(points), ids)
    bounded = (points * module.middle + module.offset) / module.reach
    inside = bounded.clamp(-1 + 1e-6, 1 - 1e-6)
    assert torch.equal(module.ids(module.round(torch.atanh(inside) - module.shift)), ids)


def test_any_number_rounds_to_an_id():
    z = torch.randn(1000, 5, dtype=torch.float64) * 100
    ids = Grid((8, 8, 8, 6, 5)).double().ids(Grid((8, 8, 8, 6, 5)).double().round(z))
    assert 0 <= int(ids.min()) <= int(ids.max()) < 15_360


def test_a_rotation_keeps_lengths_also_into_more_numbers():
    rotation = random_rotation(5, 3, seed=0)  # three slots of two
    assert rotation.shape == (6, 5)
    assert rotation.T @ rotation == pytest.approx(np.eye(5), abs=1e-12)


def test_the_fitted_rotation_reconstructs_better_than_a_random_one():
    # three pairs of equal columns: where each slot gets a pair, two codes a slot are exact
    bits = np.random.default_rng(0).integers(0, 2, (300, 3))
    vectors = np.repeat(bits, 2, axis=1).astype(np.float32)
    errors = []
    for rotations in (0, 30):
        made = Product.fit(vectors, ProductConfig(n_levels=3, codebook_size=2, rotations=rotations), seed=1)
        errors.append(float(((made.decode(made.encode(vectors)) - vectors) ** 2).mean()))
    assert errors[1] < 0.5 * errors[0]


def test_a_dead_code_is_put_among_the_residuals():
    torch.manual_seed(0)
    module = ResidualVAE(RQVAEConfig(n_levels=1, hidden=(4,), latent=2), 3, 2)
    module.codebooks.data = torch.tensor([[[0.0, 0.0], [99.0, 99.0]]])
    latent = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    for _ in range(44):  # 0.95 ** 44 = 0.105: not yet below a tenth
        module._revive(latent)
    assert module.codebooks[0, 1].tolist() == [99.0, 99.0]
    module._revive(latent)
    assert module.codebooks[0, 1].tolist() == [1.0, 1.0]


def test_alignment_of_two_perfect_items():
    # normalised cosines 1 and 0 at temperature 1: -ln(e / (e + 1)); the third item has no teacher
    ours = torch.tensor([[2.0, 0.0], [0.0, 3.0], [5.0, 5.0]])
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert float(alignment(ours, teacher, 1.0)) == pytest.approx(math.log(1 + math.exp(-1)))
    assert float(alignment(ours, torch.zeros(3, 2), 1.0)) == 0.0


def test_diversity_of_an_item_beside_one_other_code():
    # code 0 is left out, its partner is 1; products with codes 1 and 2 are both 0: ln 2. Code 2 is alone.
    book, group = torch.eye(3), torch.tensor([0, 0, 1])
    code = torch.tensor([0, 2])
    assert float(diversity(book[code], code, book, group)) == pytest.approx(math.log(2))


def test_groups_are_equal_even_where_the_codes_are_not():
    near = np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1]], dtype=np.float32)
    found = equal_groups(near, 3)
    assert found[0] == found[1] != found[2] == found[3] != found[4] == found[5]
    crowded = np.array([[0.0], [0.1], [0.2], [0.3], [0.4], [9.0]], dtype=np.float32)
    assert sorted(np.bincount(equal_groups(crowded, 2)).tolist()) == [3, 3]


def test_letter_without_a_teacher_says_what_to_give():
    with pytest.raises(
        ValueError, match="letter needs a finite teacher vector for each of the 4 items, but got none"
    ):
        fit_tokenizer(np.eye(4, dtype=np.float32), LetterConfig(), seed=0)


def test_letter_follows_the_teacher_where_content_says_little():
    # content varies most along the first axis; who is bought together, along the second
    rng = np.random.default_rng(0)
    side = rng.integers(0, 2, 200)
    vectors = np.column_stack([rng.normal(size=200), 0.8 * side - 0.4]).astype(np.float32)
    teacher = np.eye(2, dtype=np.float32)[side]
    shape = {"n_levels": 1, "codebook_size": 2, "hidden": (16,), "latent": 2, "batch_rows": 50}
    how = {"learning_rate": 1e-2, "warmup_epochs": 10, "epochs": 40, "n_groups": 1}
    agreement = {}
    for weight in (0.0, 10.0):
        config = LetterConfig(**shape, **how, alignment=weight)
        code = fit_tokenizer(vectors, config, seed=0, teacher=teacher).encode(vectors)[:, 0]
        agreement[weight] = max((code == side).mean(), (code != side).mean())
    assert agreement[0.0] < 0.7
    assert agreement[10.0] > 0.95


def test_fewer_items_than_codes_is_fine_for_slots():
    table = Product.fit(np.eye(3, dtype=np.float32), ProductConfig(n_levels=2), seed=0)
    assert table.sizes == (3, 3)


def test_agreement_counts_every_level():
    # nearest of each item is its twin; twins agree on the first code and not on the second
    vectors = np.array([[0.0], [0.1], [5.0], [5.1]], dtype=np.float32)
    codes = np.array([[0, 0], [0, 1], [1, 2], [1, 3]])
    few = neighbour_agreement(codes, vectors)  # all three others are neighbours: (1/3 + 0) / 2
    assert few == pytest.approx(1 / 6)


def test_a_teacher_is_ignored_by_kinds_that_learn_from_content():
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    config = ResidualKMeansConfig(n_levels=1, codebook_size=3)
    with_one = fit_tokenizer(vectors, config, seed=0, teacher=np.zeros((30, 1), np.float32))
    assert isinstance(with_one, ResidualKMeans)
    assert np.array_equal(with_one.codebooks, fit_tokenizer(vectors, config, seed=0).codebooks)
