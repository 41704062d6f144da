"""Item tables: vectors of items and of the prefixes they share, from codes, content and a free part.

The free part starts at zero, so an item or prefix that was never seen in training is placed by its codes
and its content alone. What is served is the sum, rounded to float32 (`item_rows.py`), and what places those
that come later. Dims: I items, J of them, L levels, K codes, N trie nodes without the root, M of them,
C content size, D model size.
"""

from typing import cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from data.interactions import Ints
from models.heads.item_rows import ItemRows
from models.recommender import Floats
from models.tokenizers.code_table import CodeTable


class InputPlaces(nn.Module):
    """Where items lie whatever their free part says: projected content + mean of the code embeddings."""

    def __init__(self, semantic_sizes: tuple[int, ...], content_size: int, d_model: int) -> None:
        super().__init__()
        self.codes = nn.ModuleList([nn.Embedding(size, d_model) for size in semantic_sizes])
        self.content = nn.Linear(content_size, d_model, bias=False)
        for weight in self.codes.parameters():
            nn.init.normal_(weight, std=d_model**-0.5)

    @torch.no_grad()
    def placed(self, semantic: Ints, content: Floats) -> Tensor:
        """By codes int64 [J, L] and content float32 [J, C], in float64: [J, D]."""
        tables = [cast(Tensor, table.weight).double() for table in self.codes]
        shared = torch.stack([table[semantic[:, level]] for level, table in enumerate(tables)])
        return torch.from_numpy(content).double() @ self.content.weight.double().T + shared.mean(0)


class InputTable(InputPlaces):
    """Vector of an item that was had: its place + a free part."""

    item_codes: Tensor
    item_content: Tensor

    def __init__(self, codes: CodeTable, content: Floats, d_model: int) -> None:
        super().__init__(codes.semantic_sizes, content.shape[1], d_model)
        self.free = nn.Parameter(torch.zeros(len(codes), d_model))
        self.register_buffer("item_codes", torch.from_numpy(codes.semantic.copy()))
        self.register_buffer("item_content", torch.from_numpy(content.copy()))

    def forward(self) -> Tensor:
        """All items: [I, D]."""
        shared = torch.stack([table(self.item_codes[:, level]) for level, table in enumerate(self.codes)])
        out: Tensor = self.free + self.content(self.item_content) + shared.mean(0)
        return out

    @torch.no_grad()
    def rows(self) -> ItemRows:
        """All items as they are served."""
        places = self.placed(self.item_codes.numpy(), self.item_content.numpy())
        return ItemRows.of((self.free + places).float())


class NodePlaces(nn.Module):
    """Where trie nodes lie whatever their free part says: projected mean content + embedding of the code."""

    def __init__(self, n_codes: int, content_size: int, d_model: int) -> None:
        super().__init__()
        self.codes = nn.Embedding(n_codes, d_model)
        self.content = nn.Linear(content_size, d_model, bias=False)
        nn.init.normal_(self.codes.weight, std=0.1 * d_model**-0.5)
        nn.init.normal_(self.content.weight, std=0.1 * d_model**-0.5)

    @torch.no_grad()
    def placed(self, code: Ints, content: Floats) -> Tensor:
        """By code int64 [M], see `codes_of_nodes`, and content float32 [M, C], in float64: [M, D]."""
        own = self.codes.weight.double()[torch.from_numpy(code)]
        return torch.from_numpy(content).double() @ self.content.weight.double().T + own


class NodeTable(NodePlaces):
    """Vector and bias of each trie node: its place + a free part."""

    node_code: Tensor
    node_content: Tensor

    def __init__(self, codes: CodeTable, content: Floats, d_model: int) -> None:
        super().__init__(sum(codes.sizes), content.shape[1], d_model)
        every = np.arange(len(codes.trie) - 1)
        self.free = nn.Parameter(torch.zeros(len(every), d_model))
        self.bias = nn.Parameter(torch.zeros(len(every)))
        self.register_buffer("node_code", torch.from_numpy(codes_of_nodes(codes)))
        self.register_buffer("node_content", torch.from_numpy(content_below(codes, content, every)))

    def forward(self) -> Tensor:
        """All nodes but the root, in trie order: [N, D]."""
        out: Tensor = self.free + self.content(self.node_content) + self.codes(self.node_code)
        return out

    @torch.no_grad()
    def rows(self) -> ItemRows:
        """All nodes as they are served."""
        places = self.placed(self.node_code.numpy(), self.node_content.numpy())
        return ItemRows.of((self.free + places).float())


def codes_of_nodes(codes: CodeTable) -> Ints:
    """Code of each trie node, those of a level counted on from the level before: int64 [N]."""
    level_start = np.concatenate([[0], np.cumsum(codes.sizes)])
    level = np.repeat(np.arange(codes.n_levels), np.diff(codes.trie.level_offsets[1:]))
    numbered: Ints = level_start[level] + codes.trie.code[1:]
    return numbered


def content_below(codes: CodeTable, content: Floats, nodes: Ints) -> Floats:
    """Mean content of the items below each of the nodes int64 [M]: float32 [M, C]."""
    row = np.full(len(codes.trie) - 1, -1)
    row[nodes] = np.arange(len(nodes))
    rows = row[codes.trie.paths().T.ravel() - 1]
    items = np.tile(np.arange(len(codes)), codes.n_levels)[rows >= 0]
    there, column = np.unique(items, return_inverse=True)
    below = sp.csr_matrix((np.ones(len(items)), (rows[rows >= 0], column)), shape=(len(nodes), len(there)))
    total = below @ content[there].astype(np.float64)
    mean: Floats = (total / below.getnnz(axis=1)[:, None]).astype(np.float32)
    return mean
