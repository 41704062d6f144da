import numpy as np
import torch

from data.interactions import Interactions
from models.recommenders.sasrec import SASRecBatches, SASRecConfig, SASRecModule

# one user: {0, 1} {2} {3, 4} {5}
EVENTS = Interactions.from_histories([[0, 1, 2, 3, 4, 5]], baskets=[[0, 0, 1, 2, 2, 3]])


def only_batch(**settings):
    batches = SASRecBatches(EVENTS, SASRecConfig(**settings), n_items=6)
    [batch] = batches.epoch(np.random.default_rng(0))
    width = batch.item.shape[1] + 1
    asked = {}
    for query, item in zip(batch.target_query.tolist(), batch.target_item.tolist(), strict=True):
        asked.setdefault(int(batch.cell[query]) % width, set()).add(item)
    return batch.item[0].tolist(), asked


def test_the_state_after_a_basket_predicts_every_item_of_the_next():
    shown, asked = only_batch(max_length=10)
    assert shown == [0, 1, 2, 3, 4]
    # the state after 2 events has seen {0, 1}, after 3 {2} as well, after 5 all but the last basket
    assert asked == {2: {2}, 3: {3, 4}, 5: {5}}


def test_a_window_shorter_than_the_history_never_shows_what_it_predicts():
    for seed in range(20):
        batches = SASRecBatches(EVENTS, SASRecConfig(max_length=2), n_items=6)
        [batch] = batches.epoch(np.random.default_rng(seed))
        shown = batch.item[0].tolist()
        assert len(shown) <= 2
        for query, item in zip(batch.target_query.tolist(), batch.target_item.tolist(), strict=True):
            assert item not in shown[: int(batch.cell[query])]
            assert item > max(shown[: int(batch.cell[query])])


def test_the_loss_is_the_mean_cross_entropy_over_targets():
    torch.manual_seed(0)
    config = SASRecConfig(d_model=8, max_length=10, dropout=0)
    module = SASRecModule(config, 6).eval()
    [batch] = SASRecBatches(EVENTS, config, n_items=6).epoch(np.random.default_rng(0))
    states = module.states(batch.item).flatten(0, 1)[batch.cell]
    by_hand = [
        -torch.log_softmax(module.scores(states)[query], dim=0)[item]
        for query, item in zip(batch.target_query, batch.target_item, strict=True)
    ]
    assert torch.isclose(module.loss(batch), torch.stack(by_hand).mean())
