"""What answers: every table once, the numbers of the network in float64, and bundles of earlier versions."""

import numpy as np
import pytest
import torch

from models.heads.item_rows import BLOCK, ItemRows
from models.recommenders.trie_pointer.batches import TriePointerBatches
from models.recommenders.trie_pointer.network import TriePointerModule
from models.recommenders.trie_pointer.recipe import TriePointer, TriePointerConfig, untrained
from tests.models.conftest import N_ITEMS, circle

CONFIG = TriePointerConfig(d_model=16)
HISTORIES = circle(9, 6, seed=2)


@pytest.fixture
def module(fit_data):
    module, _ = untrained(CONFIG, fit_data, 0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) / 4)
    return module


def test_a_table_in_two_parts_is_read_as_one():
    torch.manual_seed(0)
    rows, late = torch.randn(2 * BLOCK + 3, 4), torch.randn(5, 4)
    place = torch.randperm(len(rows) + len(late))
    table, whole = ItemRows.of(rows).grown(late, place), torch.cat([rows, late])[place]
    asked = torch.tensor([0, 7, len(whole) - 1, 7])
    hidden, bias = torch.randn(3, 4, dtype=torch.float64), torch.randn(len(whole), dtype=torch.float64)
    assert torch.equal(table.whole(), whole)
    assert torch.equal(table.at(asked), whole[asked].double())
    many = torch.arange(len(whole)).repeat(2)
    assert torch.allclose(table.dots(many, hidden[0]), whole[many].double() @ hidden[0])
    logits = table.logits(hidden, bias)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits.double(), whole.double() @ hidden.T + bias[:, None], atol=1e-6)


def test_answers_hold_a_row_for_each_item_and_node_and_nothing_of_that_size_besides(module, fit_data):
    answers = TriePointer.of(CONFIG, fit_data.codes, module).answers
    n_nodes, d = len(fit_data.codes.trie) - 1, CONFIG.d_model
    assert answers.items.own.shape == (N_ITEMS, d)
    assert answers.nodes.own.shape == (n_nodes, d)
    parts = (answers.body, answers.item_places, answers.node_places)
    wide = [
        value for part in parts for value in part.state_dict().values() if len(value) in (N_ITEMS, n_nodes)
    ]
    assert [tuple(value.shape) for value in wide] == [(N_ITEMS,)]  # the pointer's biases
    assert {answers.items.own.dtype, answers.nodes.own.dtype} == {torch.float32}


def test_scores_are_the_likelihood_that_training_maximises_in_float64(module, fit_data):
    answers = TriePointer.of(CONFIG, fit_data.codes, module).answers
    batches = TriePointerBatches(
        fit_data.events, n_items=N_ITEMS, max_baskets=50, queries_per_user=1, batch_users=8
    )
    batch = batches.batch(batches.users[:8], np.random.default_rng(0))
    log_p = answers.item_scores(batch)
    assert log_p.exp().sum(1).tolist() == pytest.approx([1] * 8, abs=1e-5)
    likely = log_p[batch.target_query, batch.target_item].mean()
    loss = module.double().eval().loss(batch).item()
    assert likely.item() == pytest.approx(-loss, abs=1e-5)


def test_a_wide_beam_lists_what_exact_decoding_lists(module, fit_data):
    exact = TriePointer.of(CONFIG, fit_data.codes, module)
    wide = TriePointer(CONFIG.model_copy(update={"beam": N_ITEMS}), fit_data.codes, exact.answers)
    ours, theirs = (each.recommend(HISTORIES, 8) for each in (exact, wide))
    assert np.array_equal(ours.items, theirs.items)
    assert ours.scores == pytest.approx(theirs.scores, abs=1e-5)


def test_a_narrow_beam_scores_only_the_children_of_what_it_keeps(module, fit_data, monkeypatch):
    trie, asked = fit_data.codes.trie, []
    dots = ItemRows.dots
    monkeypatch.setattr(
        ItemRows, "dots", lambda table, rows, vector: asked.append(len(rows)) or dots(table, rows, vector)
    )
    narrow = TriePointer.of(CONFIG.model_copy(update={"beam": 1}), fit_data.codes, module)
    narrow.recommend(HISTORIES.select(np.array([0])), 1)
    n_children = np.diff(trie.child_offsets)
    assert asked[0] == n_children[0]
    assert all(n <= n_children.max() for n in asked)
    assert len(asked) == trie.n_levels


def test_a_list_is_the_same_alone_in_a_batch_and_in_small_passes(module, fit_data, monkeypatch):
    recommender = TriePointer.of(CONFIG, fit_data.codes, module)
    together = recommender.recommend(HISTORIES, 10)
    monkeypatch.setattr("models.recommenders.trie_pointer.answers.CELLS", 2 * (len(fit_data.codes.trie) - 1))
    assert recommender.answers.users_at_once == 2
    in_passes = recommender.recommend(HISTORIES, 10)
    alone = [recommender.recommend(HISTORIES.select(np.array([row])), 10) for row in range(9)]
    assert np.array_equal(together.items, in_passes.items)
    assert np.array_equal(together.scores, np.concatenate([one.scores for one in alone]))


def test_a_bundle_of_format_2_answers_as_before(module, fit_data):
    """It holds the weights of the network, under the names they had, instead of what they come to."""
    now = TriePointer.of(CONFIG, fit_data.codes, module)
    named = {name.removeprefix("body."): value.numpy() for name, value in module.state_dict().items()}
    kept = {name: value for name, value in now.state().items() if name in ("codes", "sizes")}
    then = TriePointer.from_state(CONFIG, kept | {f"weights.{name}": value for name, value in named.items()})
    ours, theirs = (each.recommend(HISTORIES, 10) for each in (now, then))
    assert np.array_equal(ours.items, theirs.items)
    assert np.array_equal(ours.scores, theirs.scores)


def test_making_answers_draws_no_random_number(fit_data):
    module = TriePointerModule(CONFIG, fit_data.codes, fit_data.vectors)
    before = torch.get_rng_state()
    TriePointer.of(CONFIG, fit_data.codes, module)
    assert torch.equal(torch.get_rng_state(), before)
