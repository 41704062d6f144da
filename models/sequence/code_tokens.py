"""Code tokens: an embedding for each code of each level, and items as the tokens they spell.

Level l, code c is token start[l] + c, so a token also tells its level. Dims: I items, L levels, D model size.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from data.interactions import Ints


class CodeTokens(nn.Module):
    """Embeddings of codes; the codes of the items are given and stay."""

    code: Tensor
    token: Tensor

    def __init__(self, codes: Ints, sizes: tuple[int, ...], d_model: int) -> None:
        """Args: codes int64 [I, L], column l in [0, sizes[l]); sizes, L entries; D."""
        super().__init__()
        self.starts = [0, *np.cumsum(sizes).tolist()][:-1]
        self.table = nn.Embedding(int(sum(sizes)), d_model)
        self.register_buffer("code", torch.from_numpy(codes.copy()), persistent=False)
        self.register_buffer("token", torch.from_numpy(codes + np.array(self.starts)), persistent=False)
        nn.init.normal_(self.table.weight, std=d_model**-0.5)

    def forward(self, item: Tensor) -> Tensor:
        """Each code on its own: int64 [...] -> [..., L, D]."""
        out: Tensor = self.table(self.token[item])
        return out

    def pooled(self, item: Tensor) -> Tensor:
        """The mean over an item's codes: int64 [...] -> [..., D]."""
        out = functional.embedding_bag(self.token[item.flatten()], self.table.weight, mode="mean")
        return out.view(*item.shape, self.table.embedding_dim)

    def of_level(self, code: Tensor, level: int) -> Tensor:
        """Codes of one level: int64 [...] -> [..., D]."""
        out: Tensor = self.table(code + self.starts[level])
        return out
