"""Digit heads: all digits at once."""

import torch
from torch.nn import functional

from models.heads.digit_heads import DigitHeads

CODES = torch.tensor([[0, 2], [1, 0], [0, 1]])


def problem():
    torch.manual_seed(0)
    heads = DigitHeads(2, 4, temperature=0.5)
    torch.nn.init.normal_(heads.weight)
    return heads, torch.randn(3, 4), [torch.randn(2, 4), torch.randn(3, 4)]


def test_an_item_scores_the_mean_log_probability_of_its_digits():
    heads, hidden, tables = problem()
    by_hand = torch.zeros(3, 3)
    for query in range(3):
        for digit, table in enumerate(tables):
            state = hidden[query] + functional.silu(hidden[query] @ heads.weight[digit])
            cosine = torch.stack([functional.cosine_similarity(state, code, dim=0) for code in table])
            by_hand[query] += (cosine / 0.5).log_softmax(0)[CODES[:, digit]] / 2
    assert torch.allclose(heads.item_scores(hidden, tables, CODES), by_hand, atol=1e-6)


def test_the_loss_is_the_mean_over_targets_and_digits():
    heads, hidden, tables = problem()
    query, target = torch.tensor([0, 0, 2]), torch.tensor([1, 2, 0])
    found = heads.item_scores(hidden, tables, CODES)[query, target]
    assert torch.isclose(heads.loss(hidden, tables, query, CODES[target]), -found.mean())
