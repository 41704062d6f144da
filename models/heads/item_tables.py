"""Item tables: vectors of items and of the prefixes they share, from codes, content and a free part.

The free part starts at zero, so an item or prefix that was never seen in training is placed by its codes
and its content alone. Dims: I items, L levels, K codes, N trie nodes without the root, C content size,
D model size.
"""

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from models.recommender import Floats
from models.tokenizers.code_table import CodeTable


class InputTable(nn.Module):
    """Vector of an item that was had: free + projected content + mean of its code embeddings."""

    item_codes: Tensor
    item_content: Tensor

    def __init__(self, codes: CodeTable, content: Floats, d_model: int) -> None:
        super().__init__()
        self.codes = nn.ModuleList([nn.Embedding(size, d_model) for size in codes.semantic_sizes])
        self.content = nn.Linear(content.shape[1], d_model, bias=False)
        self.free = nn.Parameter(torch.zeros(len(codes), d_model))
        self.register_buffer("item_codes", torch.from_numpy(codes.semantic.copy()))
        self.register_buffer("item_content", torch.from_numpy(content.copy()))
        for weight in self.codes.parameters():
            nn.init.normal_(weight, std=d_model**-0.5)

    def forward(self) -> Tensor:
        """All items: [I, D]."""
        shared = torch.stack([table(self.item_codes[:, level]) for level, table in enumerate(self.codes)])
        out: Tensor = self.free + self.content(self.item_content) + shared.mean(0)
        return out


class NodeTable(nn.Module):
    """Vector and bias of each trie node: free + projected mean content below it + embedding of its code."""

    def __init__(self, codes: CodeTable, content: Floats, d_model: int) -> None:
        super().__init__()
        trie = codes.trie
        n_nodes = len(trie) - 1
        level_start = np.concatenate([[0], np.cumsum(codes.sizes)])
        level = np.repeat(np.arange(codes.n_levels), np.diff(trie.level_offsets[1:]))
        self.codes = nn.Embedding(int(level_start[-1]), d_model)
        self.content = nn.Linear(content.shape[1], d_model, bias=False)
        self.free = nn.Parameter(torch.zeros(n_nodes, d_model))
        self.bias = nn.Parameter(torch.zeros(n_nodes))
        self.register_buffer("node_code", torch.from_numpy(level_start[level] + trie.code[1:]))
        self.register_buffer("node_content", torch.from_numpy(_content_below(codes, content)))
        nn.init.normal_(self.codes.weight, std=0.1 * d_model**-0.5)
        nn.init.normal_(self.content.weight, std=0.1 * d_model**-0.5)

    def forward(self) -> Tensor:
        """All nodes but the root, in trie order: [N, D]."""
        out: Tensor = self.free + self.content(self.node_content) + self.codes(self.node_code)
        return out


def _content_below(codes: CodeTable, content: Floats) -> Floats:
    """Mean content of the items below each node: float32 [N, C]."""
    nodes = (codes.trie.paths() - 1).T.ravel()
    items = np.tile(np.arange(len(codes)), codes.n_levels)
    below = sp.csr_matrix((np.ones(len(nodes)), (nodes, items)), shape=(len(codes.trie) - 1, len(codes)))
    mean: Floats = ((below @ content.astype(np.float64)) / below.getnnz(axis=1)[:, None]).astype(np.float32)
    return mean
