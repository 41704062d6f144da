"""Trie-pointer's network: item tables, a trunk over baskets, and two heads over one trie; see `trie_pointer`.

Dims: B users, T positions, Q queries, P pairs, N trie nodes without the root, I items, D model size.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.heads.item_tables import InputTable, NodeTable
from models.heads.pointer import Pointer
from models.heads.trie_softmax import TrieSoftmax
from models.recommender import Floats, Mask
from models.recommenders.trie_pointer_batches import Batch
from models.sequence.baskets import BasketBatch
from models.sequence.mixers.attention import CausalAttention
from models.sequence.recurrence import FEATURES
from models.sequence.trunk import Trunk
from models.tokenizers.code_table import CodeTable

if TYPE_CHECKING:
    from models.recommenders.trie_pointer import TriePointerConfig


class TriePointerModule(nn.Module):
    """The network: item tables, trunk over baskets, two heads."""

    def __init__(
        self, config: "TriePointerConfig", codes: CodeTable, content: Floats, late: Mask | None = None
    ) -> None:
        super().__init__()
        d = config.d_model
        self.inputs = InputTable(codes, content, d)
        self.nodes = NodeTable(codes, content, d)
        self.start = nn.Parameter(torch.zeros(d))
        self.clock = nn.Linear(2, d)
        self.trunk = Trunk(
            lambda: CausalAttention(d, config.n_heads, distance_bias=True),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        self.spell = TrieSoftmax(codes.trie, late)
        self.pointer = Pointer(len(FEATURES), len(codes), d, config.pointer_width)
        self.frozen: tuple[Tensor, Tensor, Tensor] | None = None

    def freeze(self) -> None:
        """Build the item tables once, for answers; training builds them at every step."""
        self.requires_grad_(False)
        self.frozen = self._tables()

    def _tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Input vectors [I, D], what the pointer makes of them [I, width], node vectors [N, D]."""
        items = self.inputs()
        return items, self.pointer.of_item(items), self.nodes()

    def _heads(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log p(return to pair's item) [P], log p(sentinel) [Q], hidden [Q, D], node vectors [N, D]."""
        items, of_items, nodes = self.frozen or self._tables()
        hidden = self._hidden(batch.baskets, items)[batch.cell]
        pairs = batch.pair_query, batch.pair_item, batch.pair_features
        back, sentinel = self.pointer(hidden, *pairs, of_items)
        return back, sentinel, hidden, nodes

    def loss(self, batch: Batch) -> Tensor:
        """Mean negative log-likelihood of the items of the next baskets."""
        back, sentinel, hidden, nodes = self._heads(batch)
        item, query = batch.target_item, batch.target_query
        spelled = self.spell.targets(hidden, nodes, self.nodes.bias, item, query) + sentinel[query]
        known = batch.target_pair >= 0
        returned = torch.where(known, back[batch.target_pair.clamp(min=0)], -60.0)
        return -torch.logaddexp(spelled, returned).mean()

    def item_scores(self, batch: Batch) -> Tensor:
        """Log p(item) under the mixture: float32 [Q, I].

        The leaves of `prefix_scores`; the pointer adds to the few items that a user had.
        """
        back, sentinel, hidden, nodes = self._heads(batch)
        spelled = self.spell.prefixes(hidden, nodes, self.nodes.bias).add_(sentinel)
        leaf = self.spell.leaf_of[batch.pair_item]
        spelled[leaf, batch.pair_query] = torch.logaddexp(spelled[leaf, batch.pair_query], back)
        return spelled.float()[self.spell.leaf_of].T.contiguous()

    def prefix_scores(self, batch: Batch) -> Tensor:
        """Log p(prefix) under the mixture, summed over everything below it: [Q, N]."""
        back, sentinel, hidden, nodes = self._heads(batch)
        mass = (self.spell.prefixes(hidden, nodes, self.nodes.bias) + sentinel).exp()
        for below in self.spell.path[batch.pair_item].T:
            mass = mass.index_put((below, batch.pair_query), back.exp(), accumulate=True)
        return mass.log().T

    def _hidden(self, baskets: BasketBatch, items: Tensor) -> Tensor:
        """State after each position, rows flattened: [B * T, D]."""
        b, t = baskets.gap.shape
        sums = items.new_zeros(b * t, items.shape[1]).index_add(0, baskets.cell, items[baskets.item])
        count = items.new_zeros(b * t).index_add(0, baskets.cell, items.new_ones(len(baskets.cell)))
        clock = self.clock(torch.stack([baskets.gap, baskets.size], dim=-1).to(items.dtype))
        x = (sums / count.clamp(min=1)[:, None]).view(b, t, -1) + clock
        x = torch.cat([self.start.expand(b, 1, -1), x[:, 1:]], dim=1)
        hidden: Tensor = self.trunk(x)
        return hidden.flatten(0, 1)
