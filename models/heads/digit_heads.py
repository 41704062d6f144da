"""Digit heads: the digits of a semantic ID, all predicted at once from one state.

One residual head per digit and the cosine to the embeddings of its codes over a temperature (RPG: Hou et al.
2025, arXiv:2506.05781, section 3.2.1). Dims: Q states, M targets, m digits, K codes of a digit, D model size.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class DigitHeads(nn.Module):
    """Head j maps a state h to h + SiLU(W_j h); W_j starts at zero, so all heads start alike."""

    def __init__(self, n_digits: int, d_model: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.weight = nn.Parameter(torch.zeros(n_digits, d_model, d_model))

    def log_probs(self, hidden: Tensor, tables: list[Tensor]) -> list[Tensor]:
        """Log-probability of every code of each digit: [Q, D], m of [K, D] -> m of [Q, K]."""
        return [self._digit(hidden, weight, table) for weight, table in zip(self.weight, tables, strict=True)]

    def loss(self, hidden: Tensor, tables: list[Tensor], query: Tensor, codes: Tensor) -> Tensor:
        """Mean cross-entropy over targets and digits: a scalar.

        Args:
            hidden: [Q, D].
            tables: embeddings of the codes, m of [K, D].
            query: int64 [M], in [0, Q).
            codes: int64 [M, m], digits of the target of each pair.
        """
        found = [each[query, codes[:, j]].mean() for j, each in enumerate(self.log_probs(hidden, tables))]
        return -torch.stack(found).mean()

    def item_scores(self, hidden: Tensor, tables: list[Tensor], codes: Tensor) -> Tensor:
        """Mean log-probability of the digits of every item: [Q, D], int64 [I, m] -> [Q, I]."""
        total = hidden.new_zeros(len(hidden), len(codes))
        for j, each in enumerate(self.log_probs(hidden, tables)):
            total += each[:, codes[:, j]]
        return total / codes.shape[1]

    def _digit(self, hidden: Tensor, weight: Tensor, table: Tensor) -> Tensor:
        state = hidden + functional.silu(hidden @ weight)
        cosine = functional.normalize(state, dim=-1) @ functional.normalize(table, dim=-1).T
        return (cosine / self.temperature).log_softmax(dim=-1)
