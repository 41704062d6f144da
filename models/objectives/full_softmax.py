"""Full softmax: cross-entropy over the whole catalogue without ever holding all logits.

The gradient of cross-entropy is softmax minus target, so one pass over a block of queries gives the loss and
both gradients: the logits of a block live in one reused buffer that stays in cache (the idea of Wijmans et
al. 2024, arXiv:2411.09009, section 4, by rows instead of tiles). A block is laid out items first, [I, R],
because the three products with the tall table are faster that way; what normalises it is moved to the sides
of the products, so that the elements are touched once, by exp2. Floor: 6 Q I D flops, and per block three
passes over the table and its gradient; memory one block, as large as the table.

In bfloat16 the block, and what is multiplied with it, are bfloat16: 1.5 to 1.8 times as fast where the
processor multiplies them. Sums, the targets' logits and their part of the gradients stay as wide as the
inputs, so that only the softmax is rough: 8 bits of each logit.
Dims: Q queries, R queries of a block, M (query, target) pairs, I items, D model size.
"""

import itertools
import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.learning.device import require_bfloat16

CACHE_BYTES = 3 << 20  # logits of one block where the catalogue is small enough for it
BLOCK_BYTES = 256 << 20  # most that the logits of one block may take
SAFE_EXPONENT = 60  # 2**-60 .. 2**60 summed over any catalogue fits float32, so no maximum is subtracted
LOG2_E = 1 / math.log(2)


def full_softmax(
    hidden: Tensor,
    table: Tensor,
    bias: Tensor,
    target_query: Tensor,
    target_item: Tensor,
    *,
    left_out: tuple[Tensor, Tensor] | None = None,
    precision: torch.dtype | None = None,
) -> Tensor:
    """Mean of -log softmax(hidden @ table.T + bias) at the targets: a scalar.

    Equal to `cross_entropy` of the full logits, forward and backward. A query may have any number of targets.

    Args:
        hidden: float [Q, D].
        table: float [I, D], vectors of the items.
        bias: float [I].
        target_query: int64 [M], in [0, Q), ascending.
        target_item: int64 [M], in [0, I).
        left_out: queries, int64 [P], ascending, and items, int64 [P], that cannot come next there; a target
            is none of them.
        precision: of the products with the table; None for that of the inputs.

    Raises:
        ValueError: bfloat16 on a processor without instructions for it.
    """
    if left_out is None:
        left_out = target_query[:0], target_item[:0]
    if precision == torch.bfloat16:
        require_bfloat16(hidden.device)
    precision = precision or hidden.dtype
    return cast(Tensor, _Blocks.apply(hidden, table, bias, target_query, target_item, *left_out, precision))


class _Blocks(torch.autograd.Function):
    """Loss and gradients: the targets' part exactly, the normaliser's block by block of queries."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        bias: Tensor,
        target_query: Tensor,
        target_item: Tensor,
        out_query: Tensor,
        out_item: Tensor,
        precision: torch.dtype,
    ) -> Tensor:
        n_queries, n_items = len(hidden), len(table)
        n_targets = torch.bincount(target_query, minlength=n_queries).to(hidden.dtype)
        factor = table.to(precision)
        rows = min(n_queries, rows_of_a_block(factor))
        begins = range(0, n_queries, max(1, rows))
        bounds = torch.tensor([*begins, n_queries], device=hidden.device)
        outside = itertools.pairwise(torch.searchsorted(out_query, bounds).tolist())
        queries, shift = hidden * LOG2_E, bias * LOG2_E  # logits for exp2, cheaper than exp
        small = n_queries == 0 or bool(_largest_logit(queries, table, shift) < SAFE_EXPONENT)
        of_targets = (queries[target_query] * table[target_item]).sum(1) + shift[target_item]
        grad_hidden, grad_table = torch.empty_like(hidden), torch.zeros_like(table)
        grad_bias, normaliser = torch.zeros_like(bias), hidden.new_empty(n_queries)
        queries, shift = queries.to(precision), shift.to(precision)[:, None]
        buffer = factor.new_empty(n_items * rows)
        for begin, (left, right) in zip(begins, outside, strict=True):
            end = min(begin + rows, n_queries)
            block = buffer[: n_items * (end - begin)].view(n_items, end - begin)
            torch.addmm(shift, factor, queries[begin:end].T, out=block)
            block[out_item[left:right], out_query[left:right] - begin] = -torch.inf
            mass, normaliser[begin:end] = _powers(block, hidden.dtype, small)
            scale = n_targets[begin:end] / mass
            torch.mul(block.T @ factor, scale[:, None], out=grad_hidden[begin:end])
            _add_product(grad_table, block, (hidden[begin:end] * scale[:, None]).to(precision))
            if ctx.needs_input_grad[2]:
                grad_bias += (block @ scale.to(precision)[:, None])[:, 0]  # as a vector it is slower
        grad_hidden.index_add_(0, target_query, table[target_item], alpha=-1)
        grad_table.index_add_(0, target_item, hidden[target_query], alpha=-1)
        grad_bias -= torch.bincount(target_item, minlength=n_items)
        ctx.save_for_backward(grad_hidden, grad_table, grad_bias)
        ctx.n_targets = max(1, len(target_item))
        loss: Tensor = (normaliser[target_query] - of_targets).sum() / (LOG2_E * ctx.n_targets)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad / ctx.n_targets
        grad_hidden, grad_table, grad_bias = ctx.saved_tensors
        return grad_hidden * scale, grad_table * scale, grad_bias * scale, *[None] * 5


def _powers(block: Tensor, dtype: torch.dtype, small: bool) -> tuple[Tensor, Tensor]:
    """Make logits [I, R] powers of two, shrunk where large; their sums and log2 of the unshrunk: [R]."""
    top = block.new_zeros(())
    if not small:
        top = block.amax(0).clamp_(min=torch.finfo(block.dtype).min)
        block.sub_(top)
    mass = block.exp2_().sum(0, dtype=dtype)
    mass.clamp_(min=torch.finfo(dtype).tiny)  # 0 where no item is left, and then no target
    return mass, mass.log2() + top


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left @ right, whose numbers may be narrower than the total's."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def rows_of_a_block(table: Tensor) -> int:
    """R: keeps the products fast (256 to 1024 bytes, by D) and, over few items, fills the cache."""
    n_items, d = table.shape
    row_bytes = n_items * table.element_size()
    wanted = max(max(64, min(d, 256)) * 4 // table.element_size(), CACHE_BYTES // row_bytes)
    return max(1, min(wanted, BLOCK_BYTES // row_bytes))


def _largest_logit(queries: Tensor, table: Tensor, bias: Tensor) -> Tensor:
    """An upper bound of |queries @ table.T + bias| over open items (Cauchy-Schwarz): a scalar."""
    largest_bias = torch.where(bias.isfinite(), bias, 0).abs().amax()
    bound: Tensor = queries.norm(dim=1).amax() * table.norm(dim=1).amax() + largest_bias
    return bound
