"""Negatives: losses that compare a target with a few items that were drawn, and how those are drawn.

Cheaper than full softmax where the catalogue is large, and weaker: how many negatives there are decides more
than the network does (Klenitskiy and Vasilev 2023, arXiv:2309.07602, section 4). All draws come from torch's
generator, which training seeds for each epoch. Dims: Q queries, M (query, target) pairs, I items, D model
size, G groups of queries, K negatives.
"""

import torch
from torch import Tensor
from torch.nn import functional


def one_negative_bce(
    hidden: Tensor, table: Tensor, bias: Tensor, target_query: Tensor, target_item: Tensor, negatives: Tensor
) -> Tensor:
    """Mean of -log sigmoid(target) - log(1 - sigmoid(negative)): a scalar (arXiv:1808.09781, section III-E).

    Args:
        hidden: float [Q, D].
        table: float [I, D], vectors of the items.
        bias: float [I].
        target_query: int64 [M], in [0, Q).
        target_item: int64 [M], in [0, I).
        negatives: int64 [M], in [0, I), one for each target.
    """
    asked = hidden[target_query]
    target = (asked * table[target_item]).sum(-1) + bias[target_item]
    negative = (asked * table[negatives]).sum(-1) + bias[negatives]
    return (functional.softplus(-target) + functional.softplus(negative)).mean()


def sampled_softmax(
    hidden: Tensor, table: Tensor, bias: Tensor, target_query: Tensor, target_item: Tensor, negatives: Tensor
) -> Tensor:
    """Mean of -log softmax over the target and its negatives, at the target: a scalar.

    A negative that is the target itself does not count. With every item as a negative this is full softmax.

    Args:
        hidden: float [Q, D].
        table: float [I, D], vectors of the items.
        bias: float [I].
        target_query: int64 [M], in [0, Q).
        target_item: int64 [M], in [0, I).
        negatives: int64 [G, K], in [0, I). Group g is for the g-th run of ceil(Q / G) queries; G = 1 shares
            one draw among all.
    """
    size = -(-len(hidden) // len(negatives))
    runs = functional.pad(hidden, (0, 0, 0, size * len(negatives) - len(hidden))).unflatten(0, (-1, size))
    drawn = torch.baddbmm(bias[negatives][:, None], runs, table[negatives].transpose(1, 2))
    clash = negatives[target_query // size] == target_item[:, None]
    others = drawn.flatten(0, 1)[target_query].masked_fill(clash, float("-inf"))
    target = (hidden[target_query] * table[target_item]).sum(-1) + bias[target_item]
    return (torch.cat([target[:, None], others], dim=1).logsumexp(1) - target).mean()


def draw_unseen(seen_row: Tensor, seen_item: Tensor, asked_row: Tensor, n_items: int) -> Tensor:
    """For each asked row an item that it does not hold, uniformly: int64 [M].

    A row that holds the whole catalogue gets any item.

    Args:
        seen_row: int64 [S], rows of the items held; repeats are allowed.
        seen_item: int64 [S], in [0, I).
        asked_row: int64 [M].
        n_items: I.
    """
    held = torch.unique(seen_row * n_items + seen_item)
    row, item = held // n_items, held % n_items
    first, end = torch.searchsorted(row, asked_row), torch.searchsorted(row, asked_row, right=True)
    free = n_items - (end - first)
    room = torch.where(free > 0, free, n_items)
    draw = (torch.rand(len(asked_row), dtype=torch.float64) * room).long()
    # the k-th smallest item held lies before the draw-th free one if at most `draw` free ones lie before it
    free_before = item - (torch.arange(len(held)) - torch.searchsorted(row, row))
    keys = row * (n_items + 1) + free_before
    passed = torch.searchsorted(keys, asked_row * (n_items + 1) + draw, right=True) - first
    return torch.where(free > 0, draw + passed, draw)
