"""Trie-pointer's network: item tables, a trunk over baskets, and two heads over one trie; see `trie_pointer`.

Dims: B users, T positions, E events, D model size.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.heads.item_tables import InputTable, NodeTable
from models.heads.pointer import Pointer
from models.heads.trie_softmax import TrieSoftmax
from models.recommender import Floats
from models.recommenders.trie_pointer.batches import Batch
from models.sequence.baskets import BasketBatch
from models.sequence.mixers.attention import CausalAttention
from models.sequence.recurrence import FEATURES
from models.sequence.trunk import Trunk
from models.tokenizers.code_table import CodeTable

if TYPE_CHECKING:
    from models.recommenders.trie_pointer.recipe import TriePointerConfig


class TriePointerBody(nn.Module):
    """All that is no table of items: trunk and pointer; float32 in training, float64 where it answers."""

    def __init__(self, config: "TriePointerConfig", n_items: int) -> None:
        super().__init__()
        d = config.d_model
        self.start = nn.Parameter(torch.zeros(d))
        self.clock = nn.Linear(2, d)
        self.trunk = Trunk(
            lambda: CausalAttention(d, config.n_heads, distance_bias=True),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        self.pointer = Pointer(len(FEATURES), n_items, d, config.pointer_width)

    def states(self, baskets: BasketBatch, had: Tensor) -> Tensor:
        """State after each position: vectors of the baskets' items [E, D] -> [B, T, D]."""
        hidden: Tensor = self.trunk(self._inputs(baskets, had))
        return hidden

    def state_at(self, baskets: BasketBatch, had: Tensor, place: Tensor) -> Tensor:
        """`states` at one position a row: [E, D], int64 [B] -> [B, D]."""
        return self.trunk.at(self._inputs(baskets, had), place)

    def _inputs(self, baskets: BasketBatch, had: Tensor) -> Tensor:
        """Mean vector of each basket and its clock: [B, T, D]."""
        b, t = baskets.gap.shape
        sums = had.new_zeros(b * t, had.shape[1]).index_add(0, baskets.cell, had)
        count = had.new_zeros(b * t).index_add(0, baskets.cell, had.new_ones(len(baskets.cell)))
        clock = self.clock(torch.stack([baskets.gap, baskets.size], dim=-1).to(had.dtype))
        x = (sums / count.clamp(min=1)[:, None]).view(b, t, -1) + clock
        return torch.cat([self.start.expand(b, 1, -1), x[:, 1:]], dim=1)


class TriePointerModule(nn.Module):
    """The network as it is trained; what answers is made of it in `trie_pointer_answers`."""

    def __init__(self, config: "TriePointerConfig", codes: CodeTable, content: Floats) -> None:
        super().__init__()
        self.inputs = InputTable(codes, content, config.d_model)
        self.nodes = NodeTable(codes, content, config.d_model)
        self.body = TriePointerBody(config, len(codes))
        self.spell = TrieSoftmax(codes.trie)

    def loss(self, batch: Batch) -> Tensor:
        """Mean negative log-likelihood of the items of the next baskets."""
        items, nodes, pointer = self.inputs(), self.nodes(), self.body.pointer
        hidden = self.body.states(batch.baskets, items[batch.baskets.item]).flatten(0, 1)[batch.cell]
        of_pairs = pointer.of_item(items)[batch.pair_item]
        back, sentinel = pointer(hidden, batch.pair_query, batch.pair_item, batch.pair_features, of_pairs)
        item, query = batch.target_item, batch.target_query
        spelled = self.spell.targets(hidden, nodes, self.nodes.bias, item, query) + sentinel[query]
        known = batch.target_pair >= 0
        returned = torch.where(known, back[batch.target_pair.clamp(min=0)], -60.0)
        return -torch.logaddexp(spelled, returned).mean()
