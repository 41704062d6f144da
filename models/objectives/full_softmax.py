"""Full softmax: cross-entropy over the whole catalogue without ever holding all logits.

The gradient of cross-entropy is softmax minus target, so one pass over a block of rows gives the loss and
both gradients: the logits of a block live in one reused buffer that stays in cache (the idea of Wijmans et
al. 2024, arXiv:2411.09009, section 4, by rows instead of tiles). Dims: Q queries, M (query, target) pairs,
I items, D model size.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_BYTES = 6 << 20  # logits of one block; several blocks' worth of cache is common


def full_softmax(
    hidden: Tensor, table: Tensor, bias: Tensor, target_query: Tensor, target_item: Tensor
) -> Tensor:
    """Mean of -log softmax(hidden @ table.T + bias) at the targets: a scalar.

    Equal to `cross_entropy` of the full logits, forward and backward. A query may have any number of targets.

    Args:
        hidden: float [Q, D].
        table: float [I, D], vectors of the items.
        bias: float [I].
        target_query: int64 [M], in [0, Q), ascending.
        target_item: int64 [M], in [0, I).
    """
    return cast(Tensor, _Blocks.apply(hidden, table, bias, target_query, target_item))


class _Blocks(torch.autograd.Function):
    """Loss and gradients, block by block of queries."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, table: Tensor, bias: Tensor, target_query: Tensor, target_item: Tensor
    ) -> Tensor:
        n_queries, n_items = len(hidden), len(table)
        n_targets = torch.bincount(target_query, minlength=n_queries).to(hidden.dtype)
        first = torch.searchsorted(target_query, torch.arange(n_queries + 1, device=hidden.device)).tolist()
        grad_hidden, grad_table = torch.empty_like(hidden), torch.zeros_like(table)
        grad_bias, total = torch.zeros_like(bias), hidden.new_zeros(())
        rows = max(1, BLOCK_BYTES // (n_items * hidden.element_size()))
        buffer = hidden.new_empty(min(rows, n_queries), n_items)
        for begin in range(0, n_queries, rows):
            end = min(begin + rows, n_queries)
            block, weight = hidden[begin:end], n_targets[begin:end, None]
            logits = torch.addmm(bias, block, table.T, out=buffer[: end - begin])
            at = target_query[first[begin] : first[end]] - begin, target_item[first[begin] : first[end]]
            total -= logits[at].sum()
            peak = logits.amax(1, keepdim=True)
            mass = logits.sub_(peak).exp_().sum(1, keepdim=True)
            total += (weight * (peak + mass.log())).sum()
            logits.mul_(weight / mass)
            logits.index_put_(at, -logits.new_ones(()), accumulate=True)
            torch.mm(logits, table, out=grad_hidden[begin:end])
            grad_table.addmm_(logits.T, block)
            grad_bias += logits.sum(0)
        ctx.save_for_backward(grad_hidden, grad_table, grad_bias)
        ctx.n_targets = max(1, len(target_item))
        loss: Tensor = total / ctx.n_targets
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad / ctx.n_targets
        grad_hidden, grad_table, grad_bias = ctx.saved_tensors
        return grad_hidden * scale, grad_table * scale, grad_bias * scale, None, None
