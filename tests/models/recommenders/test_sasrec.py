import numpy as np
import pytest
import torch
from pydantic import ValidationError

from data.interactions import Interactions
from models.recommenders.sasrec import SASRecConfig, SASRecModule
from models.sequence.rows import RowBatches

# one user: {0, 1} {2} {3, 4} {5}
EVENTS = Interactions.from_histories([[0, 1, 2, 3, 4, 5]], baskets=[[0, 0, 1, 2, 2, 3]])


def test_the_loss_is_the_mean_cross_entropy_over_targets():
    torch.manual_seed(0)
    config = SASRecConfig(d_model=8, max_length=10, dropout=0)
    module = SASRecModule(config, 6).eval()
    [batch] = RowBatches(EVENTS, 6, max_length=10, batch_rows=1).epoch(np.random.default_rng(0))
    states = module.states(batch.rows).flatten(0, 1)[batch.cell]
    by_hand = [
        -torch.log_softmax(module.scores(states)[query], dim=0)[item]
        for query, item in zip(batch.target_query, batch.target_item, strict=True)
    ]
    assert torch.isclose(module.loss(batch), torch.stack(by_hand).mean())


def one_row(**settings):
    torch.manual_seed(0)
    module = SASRecModule(SASRecConfig(d_model=8, max_length=10, dropout=0, **settings), 7).eval()
    [batch] = RowBatches(EVENTS, 7, max_length=10, batch_rows=1).epoch(np.random.default_rng(0))
    return module, batch


def test_with_one_negative_the_loss_needs_one_that_the_row_neither_shows_nor_asks_for():
    module, batch = one_row(loss="bce")
    states = module.states(batch.rows).flatten(0, 1)[batch.cell]
    scores = module.scores(states)
    only = 6  # of seven items the user has all others
    by_hand = [
        -torch.log(torch.sigmoid(scores[query, item])) - torch.log(1 - torch.sigmoid(scores[query, only]))
        for query, item in zip(batch.target_query, batch.target_item, strict=True)
    ]
    assert torch.isclose(module.loss(batch), torch.stack(by_hand).mean())


def test_many_sampled_negatives_come_close_to_each_item_as_often():
    module, batch = one_row(loss="sampled", n_negatives=70_000)
    # 10,000 of each item but the target: softmax with log(10,000) added to the others
    scores = module.scores(module.states(batch.rows).flatten(0, 1)[batch.cell])[batch.target_query]
    others = scores + np.log(10_000)
    place = torch.arange(len(scores)), batch.target_item
    others[place] = scores[place]
    by_hand = torch.nn.functional.cross_entropy(others, batch.target_item)
    assert module.loss(batch).item() == pytest.approx(by_hand.item(), rel=1e-3)


def test_with_a_temperature_the_scores_are_cosines_divided_by_it():
    module, _ = one_row(temperature=0.1, item_bias=False)
    hidden = torch.randn(3, 8)
    cosines = torch.nn.functional.cosine_similarity(hidden[:, None], module.item.weight[None], dim=-1)
    assert torch.allclose(module.scores(hidden), cosines / 0.1, atol=1e-5)


def test_without_an_item_bias_none_is_learned():
    module, _ = one_row(item_bias=False)
    assert "bias" not in dict(module.named_parameters())
    assert module.bias.tolist() == [0] * 7


@pytest.mark.parametrize(("scaled", "variance"), [(False, 1 / 128), (True, 1)])
def test_items_are_read_as_they_score_or_with_entries_of_variance_one(scaled, variance):
    torch.manual_seed(0)
    module = SASRecModule(SASRecConfig(d_model=128, scaled_inputs=scaled), 500).eval()
    module.position.weight.data.zero_()
    read = module._inputs(torch.arange(500)[:, None])[:, 1]
    assert read.var().item() == pytest.approx(variance, rel=0.05)


def test_a_precision_without_effect_is_refused():
    with pytest.raises(ValidationError, match="is for the loss over all items, but loss is bce"):
        SASRecConfig(loss="bce", loss_precision="bfloat16")


def test_a_loss_in_bfloat16_is_close_to_that_in_float32(monkeypatch):
    monkeypatch.setattr("models.learning.device.multiplies_bfloat16", lambda device: True)
    (wide, batch), (rough, _) = one_row(), one_row(loss_precision="bfloat16")
    assert rough.loss(batch).item() == pytest.approx(wide.loss(batch).item(), rel=1e-2)
    assert rough.loss(batch).item() != wide.loss(batch).item()
