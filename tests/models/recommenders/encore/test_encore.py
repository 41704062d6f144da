"""Encore's recipe: cold items, the mixture, the day."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from data.interactions import SECONDS_PER_DAY, Interactions
from models.fitting import fit_family
from models.item_graph import ItemGraph
from models.recommender import FitData
from models.recommenders.encore.network import committee_of
from models.recommenders.encore.recipe import MIXTURE, Encore, EncoreConfig
from models.tokenizers.code_table import CodeTable

N_ITEMS = 24
COLD = 11
SMALL = {
    "d_model": 16,
    "batch_rows": 16,
    "max_length": 12,
    "dropout": 0.1,
    "input_dropout": 0.1,
    "learning_rate": 1e-2,
    "epochs": 8,
    "count_share": 0.0,
}


def circle(n_users: int) -> Interactions:
    """Everyone buys 0, 1, 2, ... in a circle, one item a day; nobody buys COLD, which is stepped over."""
    warm = [item for item in range(N_ITEMS) if item != COLD]
    starts = np.random.default_rng(0).integers(0, len(warm), n_users)
    items = [[warm[(start + step) % len(warm)] for step in range(12)] for start in starts]
    return Interactions.from_histories(items, [[day * SECONDS_PER_DAY for day in range(12)]] * n_users)


@pytest.fixture(scope="module")
def data() -> FitData:
    """Items 2 g and 2 g + 1 are described alike and share their codes."""
    group = np.arange(N_ITEMS) // 2
    vectors = np.eye(N_ITEMS // 2, dtype=np.float32)[group]
    codes = CodeTable(np.stack([group % 4, group // 4, np.arange(N_ITEMS) % 2], axis=1), (4, 3, 2))
    return FitData(circle(150), N_ITEMS, vectors, codes)


def fit(data, validate=None, **settings):
    return Encore.fit(EncoreConfig(**(SMALL | settings)), data, seed=0, validate=validate)[0]


@pytest.mark.parametrize("mean", [{}, {"count_share": 0.3}, {"count_share": 0.3, "pooling": "logarithmic"}])
def test_an_item_that_nobody_bought_is_placed_by_its_content_and_codes(data, mean):
    model = fit(data, id_dropout=0.5, **mean)
    asked = Interactions.from_histories([[7, 8, 9]], [[0, SECONDS_PER_DAY, 2 * SECONDS_PER_DAY]])
    top = model.recommend(asked, k=2).items[0].tolist()
    assert set(top) == {10, COLD}  # 10 comes next, and COLD is described like it


def test_who_borrows_from_items_described_alike_changes_no_weight(data):
    """Training does not see an item without events; answers do, and to them it is like 10."""
    lends, alone = fit(data), fit(data, borrowed_neighbours=0)
    for name, value in alone.weights.state_dict().items():
        assert torch.equal(value, lends.weights.state_dict()[name])
    warm = [item for item in range(N_ITEMS) if item != COLD]
    for mine, theirs in zip(lends.items, alone.items, strict=True):
        assert torch.equal(mine[warm], theirs[warm])
        likeness = [torch.cosine_similarity(vectors[COLD], vectors[10], dim=0) for vectors in (mine, theirs)]
        assert likeness[0] > likeness[1]


def test_without_content_and_codes_a_cold_item_is_lost(data):
    model = fit(data, views=("id",), code_loss=0.0)
    asked = Interactions.from_histories([[7, 8, 9]], [[0, SECONDS_PER_DAY, 2 * SECONDS_PER_DAY]])
    assert COLD not in model.recommend(asked, k=5).items[0].tolist()


def test_fit_finds_the_mixture_that_validates_best(data):
    wanted = {"count_share": 0.5, "clock_power": 0.2, "history_decay": 0.4, "repeat_weight": 3.0}

    def validate(model):
        return -sum(abs(getattr(model.config, name) - value) for name, value in wanted.items())

    found = fit(data, validate, epochs=1).config
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert all(getattr(found, name) in values for name, values in MIXTURE.items())


def test_what_a_fit_found_is_told_to_a_refit(data):
    def validate(model):
        return -abs(model.config.count_share - 0.6)

    first = fit_family("encore", SMALL | {"epochs": 1}, data, seed=0, validate=validate)
    assert first.found == {"count_share": 0.6}
    again = fit_family("encore", SMALL | {"epochs": 1} | first.found, data, seed=0, stop_after=1)
    assert again.found == {}
    assert again.recommender.config.count_share == 0.6


def test_a_refit_keeps_the_mixture_it_is_given(data):
    given = {"count_share": 0.123, "clock_power": 0.7, "code_score": 0.0}
    config = fit(data, epochs=1, **given).config
    assert {name: getattr(config, name) for name in given} == given


@pytest.mark.parametrize("pooling", ["linear", "logarithmic"])
def test_counts_alone_answer_from_the_graph(data, pooling):
    model = fit(data, epochs=1, count_share=1.0, pooling=pooling)
    asked = Interactions.from_histories([[4]], [[0]])
    assert model.recommend(asked, k=1).items[0, 0] == 5


@pytest.mark.parametrize("pooling", ["linear", "logarithmic"])
def test_a_history_without_counts_is_answered_by_the_network_alone(data, pooling):
    nothing = Interactions.from_histories([[]], [[]])
    both, alone = fit(data, epochs=2, count_share=0.4, pooling=pooling), fit(data, epochs=2)
    assert both.recommend(nothing, k=5).items.tolist() == alone.recommend(nothing, k=5).items.tolist()


def test_the_same_history_on_another_day_may_get_another_answer(data):
    model = fit(data, epochs=2)
    early, late = ([[day * SECONDS_PER_DAY] for day in days] for days in ((0,), (11,)))
    first = model.recommend(Interactions.from_histories([[4]], early), k=5)
    second = model.recommend(Interactions.from_histories([[4]], late), k=5)
    assert not np.array_equal(first.scores, second.scores)
    blind = fit(data, epochs=2, knows_day=False)
    first = blind.recommend(Interactions.from_histories([[4]], early), k=5)
    second = blind.recommend(Interactions.from_histories([[4]], late), k=5)
    assert np.array_equal(first.scores, second.scores)


def test_where_nobody_returns_own_items_come_last_and_nothing_is_learned_for_it(data):
    asked = Interactions.from_histories([[7, 8, 9]], [[0, SECONDS_PER_DAY, 2 * SECONDS_PER_DAY]])
    model, without = fit(data), fit(data, pointer=False)
    answers = model.recommend(asked, k=N_ITEMS)
    assert set(answers.items[0, -3:].tolist()) == {7, 8, 9}
    assert np.exp(answers.scores.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)
    others = [item for item in range(N_ITEMS) if item not in (7, 8, 9)]
    allowed = np.isin(np.arange(N_ITEMS), others)
    masked = without.recommend(asked, k=len(others), allowed=allowed).items
    assert np.array_equal(answers.items[:, : len(others)], masked)
    for name, value in without.weights.state_dict().items():
        assert torch.equal(value, model.weights.state_dict()[name])


def test_a_pointer_learns_who_returns_to_what():
    """Everyone buys a staple every other day, and between a new item of the circle each time."""
    staples, others = range(20, 24), range(20)
    rng = np.random.default_rng(0)
    mine = rng.integers(0, 4, 150)
    start = rng.integers(0, 20, 150)
    histories = [
        [staples[kind] if day % 2 else others[(first + day // 2) % 20] for day in range(12)]
        for kind, first in zip(mine, start, strict=True)
    ]
    events = Interactions.from_histories(histories, [[day * SECONDS_PER_DAY for day in range(12)]] * 150)
    codes = CodeTable(np.stack([np.arange(24) % 4, np.arange(24) // 4], axis=1), (4, 6))
    learned = FitData(events, 24, np.eye(24, dtype=np.float32), codes)
    days = [day * SECONDS_PER_DAY for day in range(3)]
    asked = Interactions.from_histories([[5, 22, 6], [5, 22, 6, 22]], [days, [*days, 3 * SECONDS_PER_DAY]])
    model = fit(learned)
    staple_due, new_due = model.recommend(asked, k=1).items[:, 0].tolist()
    assert (staple_due, new_due) == (22, 7)
    assert model.module.pointing
    back = np.exp(model.recommend(asked, k=24).scores)[np.nonzero(model.recommend(asked, k=24).items == 22)]
    assert back[0] > 0.8
    assert back[1] < 0.2


def test_a_bundle_older_than_the_pointer_answers_as_it_did(data):
    model = fit(data, epochs=1, pointer=False)
    told = model.config.model_dump()
    told.pop("pointer")
    state = model.state()
    state.pop("weights.pointing")
    again = Encore.from_state(EncoreConfig(**told), state)
    asked = Interactions.from_histories([[7, 8, 9]], [[0, SECONDS_PER_DAY, 2 * SECONDS_PER_DAY]])
    assert np.array_equal(model.recommend(asked, k=9).scores, again.recommend(asked, k=9).scores)


def test_a_committee_averages_networks_that_differ(data):
    model = fit(data, epochs=1, members=2, count_share=0.0, code_score=0.0)
    first, second = model.module.networks
    assert not np.allclose(first.views()[0].numpy(), second.views()[0].numpy())
    weights = {name for name in model.state() if name.endswith("content")}
    assert weights == {"weights.content"}  # what members share is kept once


def test_a_bundle_answers_with_the_same_neighbours(data):
    model = fit(data, epochs=1)
    again = Encore.from_state(model.config, model.state())
    asked = Interactions.from_histories([[7, 8, 9]], [[0, SECONDS_PER_DAY, 2 * SECONDS_PER_DAY]])
    assert np.array_equal(model.recommend(asked, k=5).scores, again.recommend(asked, k=5).scores)
    assert not np.allclose(
        model.items[0].numpy(), fit(data, epochs=1, views=("id", "content", "codes")).items[0]
    )


def test_a_fit_may_only_look_for_settings_of_the_mixture():
    with pytest.raises(ValidationError, match="count_share"):
        EncoreConfig(finds=("learning_rate",))


def test_predicting_codes_needs_codes():
    with pytest.raises(ValidationError, match="need codes among the views"):
        EncoreConfig(views=("id", "content"))


def test_neighbours_alone_are_no_vector():
    with pytest.raises(ValidationError, match="add id, content or codes"):
        EncoreConfig(views=("neighbours",), code_loss=0.0)


def test_attention_that_fades_with_distance_gives_another_model_that_knows_the_circle(data):
    fading, plain = fit(data, distance_bias=True, n_heads=2), fit(data, n_heads=2)
    asked = Interactions.from_histories([[7, 8, 9]], [[0, SECONDS_PER_DAY, 2 * SECONDS_PER_DAY]])
    assert {*fading.recommend(asked, k=2).items[0].tolist()} == {10, COLD}  # described alike
    assert not np.array_equal(fading.recommend(asked, k=5).scores, plain.recommend(asked, k=5).scores)


def test_a_softmax_that_explores_leaves_own_items_out(data):
    """By hand: the loss over all items but those of the row so far, at the state before each target."""
    rows = EncoreConfig(**SMALL).batches(data.events, N_ITEMS).batch(np.array([0]), np.random.default_rng(0))
    near, losses = ItemGraph.from_arrays(fit(data, epochs=1).weights.state_dict()), []
    for explores in (False, True):
        torch.manual_seed(0)
        config = EncoreConfig(**SMALL, explores=explores, code_loss=0.0)
        network = committee_of(config, data, near).eval().networks[0]
        losses.append(network.loss(rows).item())
    items = network.views()
    state = network._dated(network.trunk(network.inputs(rows.rows, items)), rows.rows)[0]
    by_hand = []
    for cell, target in zip(rows.cell.tolist(), rows.target_item.tolist(), strict=True):
        own = {*rows.rows.item[0, :cell].tolist(), COLD}
        left = [item for item in range(N_ITEMS) if item not in own]
        by_hand.append(-(state[cell] @ items[left].T).log_softmax(0)[left.index(target)].item())
    assert losses[1] == pytest.approx(np.mean(by_hand), abs=1e-5)
    assert losses[1] < losses[0]


def test_exploring_without_a_pointer_leaves_own_items_to_nobody():
    with pytest.raises(ValidationError, match="a pointer must answer for them"):
        EncoreConfig(explores=True, pointer=False)


def test_with_a_pointer_own_items_are_those_of_the_whole_history():
    events = Interactions.from_histories([[3, 4, 5, 3]], [[day * SECONDS_PER_DAY for day in range(4)]])
    before = {4: {3}, 5: {3, 4}, 3: {3, 4, 5}}  # each target; the window has two events at most
    batches = EncoreConfig(max_length=2, queries_per_row=1).batches(events, 6, with_pairs=True)
    for seed in range(9):
        batch = batches.batch(np.array([0]), np.random.default_rng(seed))
        query, item = batch.had()
        assert {*item.tolist()} == before[batch.target_item.item()]
        assert query.tolist() == [0] * len(item)


def test_trained_with_a_loss_in_bfloat16_it_knows_the_circle(data, monkeypatch):
    monkeypatch.setattr("models.learning.device.multiplies_bfloat16", lambda device: True)
    rough, plain = fit(data, loss_precision="bfloat16", id_dropout=0.5), fit(data, id_dropout=0.5)
    asked = Interactions.from_histories([[7, 8, 9]], [[0, SECONDS_PER_DAY, 2 * SECONDS_PER_DAY]])
    assert {*rough.recommend(asked, k=2).items[0].tolist()} == {10, COLD}
    assert not np.array_equal(rough.recommend(asked, k=5).scores, plain.recommend(asked, k=5).scores)
