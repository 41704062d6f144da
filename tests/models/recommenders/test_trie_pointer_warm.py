import numpy as np
import pytest
import torch

from models.fitting import fit_family
from models.recommender import FitData
from models.recommenders.trie_pointer import TriePointer, TriePointerConfig, TriePointerModule
from models.recommenders.trie_pointer_warm import carried_over
from models.tokenizers.code_table import CodeTable
from models.warm_start import can_go_on, go_on
from tests.models.conftest import N_ITEMS, SMALL, circle

# three items then: (0, 0), (0, 1), (1, 0), each with the digit 0
BEFORE = CodeTable(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0]]), (2, 2, 1))
# now the second and the first, in this order, one beside the first, and one under a prefix of its own
NOW = CodeTable(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 0]]), (2, 2, 2))
THEN = np.array([1, 0, -1, -1])
IDS = np.arange(N_ITEMS)


def state_of(codes, fill):
    vectors = np.zeros((len(codes), 3), dtype=np.float32)
    module = TriePointerModule(TriePointerConfig(d_model=8), codes, vectors)
    with torch.no_grad():
        for number, weight in enumerate(module.parameters()):
            weight.copy_(fill(number, weight))
    return module.state_dict()


@pytest.fixture
def merged():
    fresh = state_of(NOW, lambda number, weight: torch.full_like(weight, -1.0))
    served = state_of(BEFORE, lambda number, w: torch.arange(w.numel(), dtype=w.dtype).view(w.shape))
    return fresh, served, carried_over(fresh, served, NOW, BEFORE, THEN)


def test_rows_of_items_follow_the_item(merged):
    _, served, state = merged
    assert state["pointer.item_bias"].tolist() == [1, 0, -1, -1]
    assert torch.equal(state["inputs.free"][:2], served["inputs.free"][[1, 0]])
    assert (state["inputs.free"][2:] == -1).all()


def test_rows_of_nodes_follow_the_prefix(merged):
    # nodes then: 0, 1 | 00, 01, 10 | 000, 010, 100; now: 0, 1 | 00, 01, 11 | 000, 001, 010, 110
    # "1" is only above items that left or came, so it starts anew
    assert merged[2]["nodes.bias"].tolist() == [0, -1, 2, 3, -1, 5, -1, 6, -1]


def test_codes_follow_their_number_and_the_digit_may_grow(merged):
    _, served, state = merged
    table = state["nodes.codes.weight"]
    assert torch.equal(table[:5], served["nodes.codes.weight"])
    assert (table[5:] == -1).all()


def test_everything_else_is_taken_as_it_is_and_todays_buffers_stay(merged):
    fresh, served, state = merged
    shared = [name for name in state if name.startswith(("trunk.", "clock.", "pointer.network."))]
    assert len(shared) > 10
    assert all(torch.equal(state[name], served[name]) for name in shared)
    assert torch.equal(state["inputs.item_codes"], fresh["inputs.item_codes"])
    assert set(state) == set(fresh)


def test_an_item_with_other_codes_is_refused():
    fresh, served = (state_of(codes, lambda number, w: w) for codes in (NOW, BEFORE))
    with pytest.raises(ValueError, match=r"1 of 2 items have others: keep them"):
        carried_over(fresh, served, NOW, BEFORE, np.array([1, 2, -1, -1]))


def test_other_levels_are_refused():
    coarse = CodeTable(np.array([[0, 0], [1, 0]]), (2, 1))
    with pytest.raises(ValueError, match="codes of the same sizes"):
        carried_over({}, {}, NOW, coarse, np.array([1, 0, -1, -1]))


def test_a_family_that_cannot_go_on_says_which_can(fit_data):
    champion = fit_family("popularity", {}, fit_data, seed=0).recommender
    with pytest.raises(ValueError, match="one of the families trie-pointer, but got popularity"):
        go_on(champion, fit_data, IDS, epochs=1, rate_share=1, seed=0)
    assert not can_go_on("popularity")


def hits(recommender, n_users=24):
    """Share of users of the circle whose next item is the first of the list."""
    histories = circle(n_users, 8, seed=5)
    expected = (histories.item[histories.offsets[1:] - 1] + 1) % N_ITEMS
    return float((recommender.recommend(histories, 1).items[:, 0] == expected).mean())


@pytest.fixture(scope="module")
def champion(fit_data):
    return fit_family("trie-pointer", SMALL["trie-pointer"] | {"epochs": 6}, fit_data, seed=0).recommender


def test_with_a_rate_of_almost_nothing_the_answers_are_the_champions(champion, fit_data):
    still = go_on(champion, fit_data, IDS, epochs=1, rate_share=1e-9, seed=1)
    histories = circle(10, 6, seed=2)
    before, after = (each.recommend(histories, 10) for each in (champion, still.recommender))
    assert np.array_equal(before.items, after.items)
    assert np.allclose(before.scores, after.scores, atol=1e-4)


def test_one_epoch_from_the_champion_on_beats_one_epoch_from_nothing(champion, fit_data):
    warm = go_on(champion, fit_data, IDS, epochs=1, rate_share=0.5, seed=1)
    cold = fit_family("trie-pointer", SMALL["trie-pointer"] | {"epochs": 1}, fit_data, seed=1)
    assert isinstance(warm.recommender, TriePointer)
    assert len(warm.history) == 1
    assert hits(warm.recommender) > hits(cold.recommender) + 0.3


def test_a_new_item_can_be_recommended_at_once(champion, fit_data):
    n_new = 2
    vectors = np.concatenate([fit_data.vectors, fit_data.vectors[:n_new]])
    twins = fit_data.codes.codes[:n_new].copy()
    twins[:, -1] = fit_data.codes.sizes[-1] + np.arange(n_new)
    sizes = (*fit_data.codes.sizes[:-1], fit_data.codes.sizes[-1] + n_new)
    grown = FitData(fit_data.events, N_ITEMS + n_new, vectors, fit_data.codes.extend(twins, sizes))
    then = np.concatenate([np.arange(N_ITEMS), [-1] * n_new])
    warm = go_on(champion, grown, then, epochs=1, rate_share=0.5, seed=1).recommender
    listed = warm.recommend(circle(1, 6, seed=2), N_ITEMS + n_new)
    assert set(range(N_ITEMS + n_new)) == set(listed.items[0].tolist())
    assert np.isfinite(listed.scores).all()


def test_a_training_that_was_killed_goes_on_to_the_same_bits(champion, fit_data, tmp_path):
    class Killed(Exception):
        pass

    def kill(epoch):
        raise Killed

    how = {"epochs": 2, "rate_share": 0.5, "seed": 1}
    whole = go_on(champion, fit_data, IDS, **how).recommender.state()
    file = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        go_on(champion, fit_data, IDS, **how, watch=kill, checkpoint=file)
    resumed = go_on(champion, fit_data, IDS, **how, checkpoint=file).recommender.state()
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
