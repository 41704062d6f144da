import numpy as np
import pytest
import torch

from models.fitting import fit_family
from models.recommender import FitData
from models.recommenders.trie_pointer.answers import TriePointerAnswers
from models.recommenders.trie_pointer.network import TriePointerModule
from models.recommenders.trie_pointer.recipe import TriePointer, TriePointerConfig
from models.recommenders.trie_pointer.warm import carry_over
from models.tokenizers.code_table import CodeTable
from models.warm_start import can_go_on, go_on
from tests.models.conftest import N_ITEMS, SMALL, circle

# three items then: (0, 0), (0, 1), (1, 0), each with the digit 0
BEFORE = CodeTable(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0]]), (2, 2, 1))
# now the second and the first, in this order, one beside the first, and one under a prefix of its own
NOW = CodeTable(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 1, 0]]), (2, 2, 2))
THEN = np.array([1, 0, -1, -1])
IDS = np.arange(N_ITEMS)
CONFIG = TriePointerConfig(d_model=8)


def module_of(codes, fill):
    vectors = np.zeros((len(codes), 3), dtype=np.float32)
    module = TriePointerModule(CONFIG, codes, vectors)
    with torch.no_grad():
        for number, weight in enumerate(module.parameters()):
            weight.copy_(fill(number, weight))
    return module


def served_of(codes, fill):
    return TriePointerAnswers.of(CONFIG, codes, module_of(codes, fill))


def counted(number, weight):
    return torch.arange(weight.numel(), dtype=weight.dtype).view(weight.shape) / 8


@pytest.fixture
def merged():
    fresh, served = module_of(NOW, lambda number, w: torch.zeros_like(w)), served_of(BEFORE, counted)
    carry_over(fresh, served, NOW, BEFORE, THEN)
    return fresh, served


def test_vectors_of_items_are_those_that_serve(merged):
    fresh, served = merged
    assert fresh.body.pointer.item_bias.tolist() == [1 / 8, 0, 0, 0]
    assert torch.allclose(fresh.inputs.rows().own[:2], served.items.own[[1, 0]])
    assert (fresh.inputs.free[2:] == 0).all()


def test_vectors_of_nodes_follow_the_prefix(merged):
    # nodes then: 0, 1 | 00, 01, 10 | 000, 010, 100; now: 0, 1 | 00, 01, 11 | 000, 001, 010, 110
    # "1" is only above items that left or came, so it starts anew
    fresh, served = merged
    known, source = [0, 2, 3, 5, 7], [0, 2, 3, 5, 6]
    assert (fresh.nodes.bias * 8).tolist() == [0, 0, 2, 3, 0, 5, 0, 6, 0]
    assert torch.allclose(fresh.nodes.rows().own[known], served.nodes.own[source])
    assert (fresh.nodes.free[[1, 4, 6, 8]] == 0).all()


def test_a_vector_stays_where_it_serves_though_its_content_changed():
    module = TriePointerModule(CONFIG, NOW, np.ones((4, 3), dtype=np.float32))
    served = served_of(BEFORE, counted)
    carry_over(module, served, NOW, BEFORE, THEN)
    assert torch.allclose(module.inputs.rows().own[:2], served.items.own[[1, 0]], atol=1e-5)


def test_codes_follow_their_number_and_the_digit_may_grow(merged):
    fresh, served = merged
    table = fresh.nodes.codes.weight
    assert torch.equal(table[:5], served.node_places.codes.weight)
    assert (table[5:] == 0).all()


def test_everything_else_is_taken_as_it_is(merged):
    fresh, served = merged
    ours, theirs = fresh.body.state_dict(), served.body.state_dict()
    shared = [name for name in ours if name.startswith(("trunk.", "clock.", "pointer.network."))]
    assert len(shared) > 10
    assert all(torch.equal(ours[name].double(), theirs[name]) for name in shared)


def test_an_item_with_other_codes_is_refused():
    fresh, served = module_of(NOW, counted), served_of(BEFORE, counted)
    with pytest.raises(ValueError, match=r"1 of 2 items have others: keep them"):
        carry_over(fresh, served, NOW, BEFORE, np.array([1, 2, -1, -1]))


def test_other_levels_are_refused():
    coarse = CodeTable(np.array([[0, 0], [1, 0]]), (2, 1))
    with pytest.raises(ValueError, match="codes of the same sizes"):
        carry_over(module_of(NOW, counted), served_of(coarse, counted), NOW, coarse, np.array([1, 0, -1, -1]))


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
