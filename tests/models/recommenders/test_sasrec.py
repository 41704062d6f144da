import numpy as np
import torch

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
