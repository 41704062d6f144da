"""Dropout that draws 16 bits a number: torch's in all but time, which draws 64 and takes three times as long.

Srivastava et al. 2014, JMLR 15, section 4, scaled in training. Where dropout is a fifth of a training step,
most of that is torch's `bernoulli_` on processors that are not Intel's (`python -m benchmarks.dropout`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 2**16  # chances are multiples of 1 / STEPS
LOWEST = -(2**63)  # of int64; without an upper end `random_` fills all 64 bits


class Dropout(nn.Module):
    """Zeroes numbers with chance `p` while training, and divides the rest by what is kept on average."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; the draws come from torch's generator."""
        if not self.training or self.p == 0:
            return x
        if x.is_cuda:  # one kernel there
            return functional.dropout(x, self.p)
        return x * kept(x, self.p)

    def extra_repr(self) -> str:
        """As torch's own."""
        return f"p={self.p}"


def kept(like: Tensor, p: float) -> Tensor:
    """Shaped as `like`: 0 with chance `p`, else the factor that makes the mean 1."""
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device).random_(LOWEST, None)
    drawn = words.view(torch.int16)[: like.numel()].view(like.shape)
    dropped = min(round(p * STEPS), STEPS - 1)
    return (drawn >= dropped - STEPS // 2).to(like.dtype).mul_(STEPS / (STEPS - dropped))
