"""Item views: the vector of an item as the sum of its id, its content, its codes and what its neighbours are.

The id part starts at zero and stays there for an item without a training event, which its content and its
codes then place among the others. The mean of the neighbours' vectors lets an item that was bought twice
borrow from those it was bought with, and in answers one that was never bought from those described alike.
Dims: I items, L levels, C content size, D model size.
"""

from typing import Literal, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.heads.sparse_product import SparseProduct, mean_over_neighbours
from models.item_graph import ItemGraph
from models.recommender import Floats, Mask
from models.tokenizers.code_table import CodeTable

View = Literal["id", "content", "codes", "neighbours"]
VIEWS: tuple[View, ...] = ("id", "content", "codes", "neighbours")


class ItemViews(nn.Module):
    """Vectors of all items; a view that is left out costs nothing. What it is given is not in its state."""

    item_codes: Tensor
    content: Tensor
    known: Tensor

    def __init__(
        self,
        codes: CodeTable,
        content: Floats,
        known: Mask,
        near: ItemGraph,
        d_model: int,
        *,
        views: tuple[View, ...] = VIEWS,
        id_dropout: float = 0.0,
        borrowed: sp.csr_matrix | None = None,
    ) -> None:
        """Prepare the views.

        Args:
            codes: semantic IDs; the collision digit says nothing and is not read.
            content: float32 [I, C].
            known: bool [I], whether the item has a training event.
            near: neighbours of each item and their weights.
            d_model: D.
            views: those that are summed.
            id_dropout: share of items that must do without their id in a training step, so that content and
                codes learn to stand alone.
            borrowed: [I, I], weights on the items that one without events borrows from, see `borrowing`.
        """
        super().__init__()
        self.views, self.id_dropout = views, id_dropout
        self.id = nn.Parameter(torch.zeros(len(codes), d_model)) if "id" in views else None
        self.project = nn.Linear(content.shape[1], d_model, bias=False) if "content" in views else None
        sizes = codes.semantic_sizes if "codes" in views else ()
        self.digits = nn.ModuleList(nn.Embedding(size, d_model) for size in sizes)
        self.mean_digit = SparseProduct(_places(codes)) if sizes else None
        self.neighbours = mean_over_neighbours(near.weights) if "neighbours" in views else None
        self.borrowed = SparseProduct(borrowed) if self.neighbours and borrowed is not None else None
        self.register_buffer("item_codes", torch.from_numpy(codes.semantic.copy()), persistent=False)
        self.register_buffer("content", torch.from_numpy(content.copy()), persistent=False)
        self.register_buffer("known", torch.from_numpy(known.copy()), persistent=False)
        for weight in (*self.digits.parameters(), *([] if self.project is None else [self.project.weight])):
            nn.init.normal_(weight, std=d_model**-0.5)

    @property
    def tables(self) -> list[Tensor]:
        """Embeddings of the codes of each digit: m of [K, D]."""
        return [cast(Tensor, table.weight) for table in self.digits]

    def forward(self) -> Tensor:
        """All items: [I, D]."""
        parts: list[Tensor] = []
        if self.id is not None:
            heard = self.known[:, None].to(self.id.dtype)
            parts.append(self.id * functional.dropout(heard, self.id_dropout, self.training))
        if self.project is not None:
            parts.append(self.project(self.content))
        if self.mean_digit is not None:
            parts.append(self.mean_digit(torch.cat(self.tables)))
        own = torch.stack(parts).sum(0)
        if self.neighbours is None:
            return own
        near: Tensor = own + self.neighbours(own)
        return near if self.borrowed is None or self.training else near + self.borrowed(own)


def _places(codes: CodeTable) -> sp.csr_matrix:
    """[I, codes of all levels]: 1/L where an item has the code."""
    n_items, n_levels = codes.semantic.shape
    first = np.cumsum([0, *codes.semantic_sizes[:-1]])
    columns = (codes.semantic + first).ravel()
    bounds = np.arange(0, n_items * n_levels + 1, n_levels)
    shape = (n_items, sum(codes.semantic_sizes))
    return sp.csr_matrix((np.full(len(columns), 1 / n_levels), columns, bounds), shape=shape)
