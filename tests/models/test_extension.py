"""Items that come after the fit: reachable at once, and old items keep their order."""

import numpy as np
import pytest

from data.interactions import Interactions
from models.extension import can_extend, extended, needs_codes
from models.families import FAMILIES
from models.recommender import NO_ITEM
from models.recommenders.trie_pointer.late import _median_of_siblings, late_nodes
from models.recommenders.trie_pointer.recipe import TriePointer
from models.tokenizers.code_table import CodeTable
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from tests.models.conftest import N_ITEMS, WITHOUT_DIGIT

HISTORIES = Interactions.from_histories([[3, 4, 5], [], [7], [20, 21, 22, 23], [1, 1, 1, 9]])
ABLE = [name for name in FAMILIES if can_extend(name)]
N_NEW = 7
EVERY = N_ITEMS + N_NEW


def grown(name, fitted, data, n_new=N_NEW):
    """The fitted model with new items: five like old ones, the others somewhere else."""
    vectors = vectors_of_all(data)
    tokenizer = tokenizer_of(name, data)
    table = tokenizer.extend(data.codes, vectors[N_ITEMS:])
    model = fitted(name)
    return extended(model, n_new, first(table, N_ITEMS + n_new), vectors[: N_ITEMS + n_new])


def vectors_of_all(data):
    return np.concatenate([data.vectors, data.vectors[:5] + 0.01, -3 * data.vectors[:2]])


def first(table, n_items):
    return CodeTable(table.codes[:n_items], table.sizes)


def tokenizer_of(name, data):
    shape = (
        {"n_levels": 3, "codebook_size": 8} if name in WITHOUT_DIGIT else {"n_levels": 2, "codebook_size": 4}
    )
    return ResidualKMeans.fit(data.vectors, ResidualKMeansConfig(**shape), seed=0)


@pytest.fixture(params=ABLE)
def both(request, fitted, fit_data, fit_data_without_collisions):
    data = fit_data_without_collisions if request.param in WITHOUT_DIGIT else fit_data
    return fitted(request.param), grown(request.param, fitted, data)


def test_a_new_item_that_alone_is_allowed_is_returned_with_a_finite_score(both):
    for new in range(N_ITEMS, EVERY):
        allowed = np.arange(EVERY) == new
        top = both[1].recommend(HISTORIES, k=2, allowed=allowed)
        assert (top.items[:, 0] == new).all()
        assert (top.items[:, 1] == NO_ITEM).all()
        assert np.isfinite(top.scores[:, 0]).all()


def test_a_new_item_may_be_in_a_history(both):
    told = Interactions.from_histories([[3, 25, 30], [30]], [[0, 86_400, 172_800], [0]])
    top = both[1].recommend(told, k=5)
    assert top.items.min() >= 0
    assert np.isfinite(top.scores).all()


def test_lists_stay_full_distinct_and_best_first(both):
    top = both[1].recommend(HISTORIES, k=EVERY)
    assert (np.sort(top.items, axis=1) == np.arange(EVERY)).all()
    assert (np.diff(top.scores, axis=1) <= 0).all()


def test_the_model_that_was_there_is_left_as_it_is(both):
    assert both[0].recommend(HISTORIES, k=N_ITEMS).items.max() < N_ITEMS


def test_a_grown_model_survives_its_state(both):
    again = type(both[1]).from_state(both[1].config, both[1].state())
    before, after = (each.recommend(HISTORIES, EVERY) for each in (both[1], again))
    assert np.array_equal(before.items, after.items)
    assert np.array_equal(before.scores, after.scores)


@pytest.mark.parametrize(
    "name", [name for name in ABLE if not needs_codes(name)] + ["trie-pointer", "encore"]
)
def test_old_items_keep_their_order_among_themselves(name, fitted, fit_data):
    old = np.arange(EVERY) < N_ITEMS
    before = fitted(name).recommend(HISTORIES, N_ITEMS)
    after = grown(name, fitted, fit_data).recommend(HISTORIES, N_ITEMS, allowed=old)
    assert np.array_equal(before.items, after.items)


def test_trie_pointer_keeps_the_very_scores_of_old_items(fitted, fit_data):
    old = np.arange(EVERY) < N_ITEMS
    before = fitted("trie-pointer").recommend(HISTORIES, N_ITEMS)
    after = grown("trie-pointer", fitted, fit_data).recommend(HISTORIES, N_ITEMS, allowed=old)
    assert after.scores == pytest.approx(before.scores, abs=1e-6)


def test_trie_pointer_shares_its_tables_with_the_catalogues_that_grow_from_it(fitted, fit_data):
    own, later = fitted("trie-pointer").answers, grown("trie-pointer", fitted, fit_data).answers
    assert later.items.own is own.items.own
    assert later.nodes.own is own.nodes.own
    assert len(later.items.late) == N_NEW


def test_a_new_item_that_is_like_an_old_one_is_ranked_near_it(fitted, fit_data):
    # everyone goes 0, 1, 2, ... and item 24 is like item 0, 25 like 1, ...: after 1 comes 2, and so 26
    told = Interactions.from_histories([[23, 0, 1]], [[0, 86_400, 172_800]])
    new = np.arange(EVERY) >= N_ITEMS
    for name in ("trie-pointer", "encore"):
        top = grown(name, fitted, fit_data).recommend(told, 2, allowed=new)
        assert 26 in top.items[0]


def test_exact_decoding_and_a_wide_beam_agree(fitted, fit_data):
    exact = grown("trie-pointer", fitted, fit_data)
    beam = TriePointer(exact.config.model_copy(update={"beam": EVERY}), exact.codes, exact.answers)
    for allowed in (None, np.arange(EVERY) >= N_ITEMS):
        one, two = (each.recommend(HISTORIES, 6, allowed=allowed) for each in (exact, beam))
        assert np.array_equal(one.items, two.items)
        assert one.scores == pytest.approx(two.scores, abs=1e-5)


def test_at_once_or_one_after_another_is_the_same(fitted, fit_data):
    at_once = grown("trie-pointer", fitted, fit_data)
    one_by_one = grown("trie-pointer", fitted, fit_data, n_new=1)
    for n_items in range(N_ITEMS + 2, EVERY + 1):
        vectors = vectors_of_all(fit_data)[:n_items]
        one_by_one = extended(one_by_one, 1, first(at_once.codes, n_items), vectors)
    first_lists, last_lists = (each.recommend(HISTORIES, EVERY) for each in (at_once, one_by_one))
    assert np.array_equal(first_lists.items, last_lists.items)
    assert first_lists.scores == pytest.approx(last_lists.scores, abs=1e-6)


def test_the_bias_of_a_late_node_is_the_median_of_its_siblings_else_of_its_level():
    before = CodeTable(np.array([[0, 0], [0, 1], [0, 2], [1, 0]]), (3, 4))
    now = CodeTable(np.concatenate([before.codes, [[0, 3], [2, 0]]]), (3, 4))
    late = late_nodes(now, before, None)
    # nodes now: 0, 1, 2 | 00, 01, 02, 03, 10, 20
    assert late.tolist() == [False, False, True, False, False, False, True, False, True]
    bias = np.array([4, 2, 0, 1, 7, 3, 0, 5, 0], dtype=np.float32)
    filled = _median_of_siblings(bias, now.trie, late)
    # 2: median(4, 2) = 3; 03: median(1, 7, 3) = 3; 20 has no sibling: median(1, 7, 3, 5) = 4
    assert filled.tolist() == [4, 2, 3, 1, 7, 3, 3, 5, 4]


def test_a_family_that_knows_items_by_their_events_refuses(fitted):
    with pytest.raises(ValueError, match="but sasrec knows an item by its events alone: retrain"):
        extended(fitted("sasrec"), 1)


def test_codes_that_move_are_refused(fitted, fit_data):
    vectors = np.concatenate([fit_data.vectors, fit_data.vectors[:1]])
    table = tokenizer_of("trie-pointer", fit_data).extend(fit_data.codes, vectors[N_ITEMS:])
    with pytest.raises(ValueError, match="must have the codes that the model knows"):
        extended(fitted("trie-pointer"), 1, CodeTable(table.codes[::-1].copy(), table.sizes), vectors)
    with pytest.raises(ValueError, match="places a new item by its codes, but got none"):
        extended(fitted("trie-pointer"), 1)
