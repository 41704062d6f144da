"""Code head: hidden states to the codes of each level, every level with its own vectors.

Dims: Q states, M targets, L levels, K codes of a level, D model size.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.objectives.full_softmax import full_softmax


class CodeHead(nn.Module):
    """One vector and one bias for each code of each level."""

    def __init__(self, sizes: tuple[int, ...], d_model: int) -> None:
        super().__init__()
        ends = np.cumsum(sizes).tolist()
        self.spans = [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
        self.weight = nn.Parameter(torch.randn(ends[-1], d_model) * d_model**-0.5)
        self.bias = nn.Parameter(torch.zeros(ends[-1]))

    def logits(self, hidden: Tensor, level: int) -> Tensor:
        """[..., D] -> [..., K]."""
        span = self.spans[level]
        return nn.functional.linear(hidden, self.weight[span], self.bias[span])

    def loss(self, hidden: Tensor, level: int, query: Tensor, code: Tensor) -> Tensor:
        """Mean cross-entropy of the codes of one level: a scalar.

        Args:
            hidden: [Q, D].
            level: which.
            query: int64 [M], in [0, Q), ascending.
            code: int64 [M], in [0, K).
        """
        span = self.spans[level]
        return full_softmax(hidden, self.weight[span], self.bias[span], query, code)
