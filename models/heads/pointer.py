"""Pointer: how likely the user comes back to each item had before, against reaching for another one.

A softmax over the user's distinct items and one sentinel that stands for "not one of these" (pointer-sentinel
mixture, Merity et al. 2016, arXiv:1609.07843, section 2; repeat-explore split of RepeatNet, Ren et al. 2019,
arXiv:1812.02646). Dims: Q queries, P (query, item) pairs, F features, D model size.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.recommender import Floats


class Pointer(nn.Module):
    """Log-probabilities of returning to an item, and of the sentinel."""

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, n_items: int, d_model: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.of_features = nn.Linear(n_features, width)
        self.of_item = nn.Linear(d_model, width, bias=False)
        self.of_history = nn.Linear(d_model, width, bias=False)
        self.network = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        self.item_bias = nn.Parameter(torch.zeros(n_items))
        self.sentinel = nn.Linear(d_model, 1)

    def standardise(self, features: Floats) -> None:
        """Remember mean and spread of a sample of features, float32 [P, F]."""
        self.mean.copy_(torch.from_numpy(features.mean(0)))
        self.scale.copy_(torch.from_numpy(np.maximum(features.std(0), 1e-3)))

    def forward(
        self, hidden: Tensor, query: Tensor, item: Tensor, features: Tensor, of_pairs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log p(return to the pair's item) and log p(sentinel).

        Args:
            hidden: [Q, D].
            query: int64 [P], ascending.
            item: int64 [P].
            features: [P, F].
            of_pairs: [P, width], `of_item` of the input vectors of the items.

        Returns:
            [P] and [Q]; for each query they sum to one as probabilities.
        """
        mixed = self.of_features((features - self.mean) / self.scale)
        mixed = mixed + of_pairs + self.of_history(hidden)[query]
        score = self.network(mixed)[:, 0] + self.item_bias[item]
        sentinel = self.sentinel(hidden)[:, 0]
        peak = sentinel.detach().scatter_reduce(0, query, score.detach(), "amax")
        total = (sentinel - peak).exp().index_add(0, query, (score - peak[query]).exp())
        norm = peak + total.log()
        return score - norm[query], sentinel - norm
