import numpy as np
import pytest

from data.interactions import Interactions
from models.baselines.ease import EASE, EASEConfig
from models.recommender import FitData


def data(histories, n_items):
    return FitData(Interactions.from_histories(histories), n_items, np.zeros((n_items, 1), np.float32), None)


def weights(histories, n_items, **settings):
    return EASE.fit(EASEConfig(**settings), data(histories, n_items)).graph.weights.toarray()


def test_two_items_by_hand():
    # X = [1 1; 1 1; 1 0]: G = [3 2; 2 2], with ridge 1 [4 2; 2 3]; P = [3 -2; -2 4] / 8
    # B01 = -P01 / P11 = 2 / 4, B10 = -P10 / P00 = 2 / 3; a repeat adds nothing
    found = weights([[0, 1, 1], [1, 0], [0]], 2, ridge=1)
    assert found == pytest.approx(np.array([[0, 1 / 2], [2 / 3, 0]]), abs=1e-6)


def test_an_item_that_another_explains_weighs_little():
    # 0 and 1 come with 2, never with each other but through 2
    histories = [[0, 2], [1, 2], [0, 2], [1, 2], [2]]
    gram = np.array([[2, 0, 2], [0, 2, 2], [2, 2, 5.0]])
    inverse = np.linalg.inv(gram + 0.5 * np.eye(3))
    by_formula = -inverse / np.diag(inverse)
    np.fill_diagonal(by_formula, 0)
    found = weights(histories, 3, ridge=0.5)
    assert found == pytest.approx(by_formula, abs=1e-5)
    assert found[0, 1] < 0


def test_blocks_of_rows_fit_together(monkeypatch):
    rng = np.random.default_rng(0)
    histories = [rng.permutation(11)[:4].tolist() for _ in range(40)]
    whole = weights(histories, 11)
    monkeypatch.setattr("models.baselines.ease.BLOCK_ROWS", 4)
    assert np.array_equal(weights(histories, 11), whole)


def test_newer_items_weigh_more():
    # 0 goes with 2, 1 goes with 3: whoever had 0 and then 1 is first told 3
    model = EASE.fit(EASEConfig(ridge=1, history_decay=0.5), data([[0, 2], [1, 3]] * 5, 4))
    histories = Interactions.from_histories([[0, 1], [1, 0]])
    allowed = np.array([False, False, True, True])
    assert model.recommend(histories, 2, allowed=allowed).items.tolist() == [[3, 2], [2, 3]]


def test_the_kept_weights_answer_like_all_of_them():
    # planted: items of one group of ten go together, 5 % of events come from another group
    rng = np.random.default_rng(1)
    group = rng.integers(0, 20, 600)[:, None]
    items = 10 * np.where(rng.random((600, 8)) < 0.05, rng.integers(0, 20, (600, 8)), group)
    items += rng.integers(0, 10, (600, 8))
    learn, asked = data(items.tolist(), 200), Interactions.from_histories(items[:100, :5].tolist())
    few, every = (EASE.fit(EASEConfig(ridge=10, n_neighbours=n), learn) for n in (30, 200))
    assert few.graph.weights.nnz == 200 * 30
    lists = zip(few.recommend(asked, 10).items, every.recommend(asked, 10).items, strict=True)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in lists]) > 0.9


def test_a_catalogue_too_large_is_refused():
    with pytest.raises(ValueError, match="at most max_items = 2 items, but got 3: drop rare items"):
        EASE.fit(EASEConfig(max_items=2), data([[0, 1, 2]], 3))


def test_a_ridge_too_small_for_float32_is_refused():
    with pytest.raises(ValueError, match="raise it"):
        EASE.fit(EASEConfig(ridge=1e-12), data([[0, 1]] * 9, 2))
