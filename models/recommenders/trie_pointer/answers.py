"""Trie-pointer's answers: what scores items, and no more than it needs for that, held once.

The vectors of items and trie nodes are float32, the rest is float64 and small; products are summed in float64
and rounded once, so that a history gets the same list alone and in any batch; what follows takes each user by
itself, in float32. Dims: B users, P pairs, N trie nodes without the root, I items, D model size.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.heads.item_rows import ItemRows
from models.heads.item_tables import InputPlaces, NodePlaces
from models.heads.trie_softmax import TrieSoftmax
from models.recommender import Arrays
from models.recommenders.trie_pointer.batches import Batch
from models.recommenders.trie_pointer.network import TriePointerBody, TriePointerModule
from models.recommenders.trie_pointer.prefixes import Prefixes, Returns
from models.tokenizers.code_table import CodeTable, Trie

if TYPE_CHECKING:
    from models.recommenders.trie_pointer.recipe import TriePointerConfig

WITH_WEIGHTS = ("body", "item_places", "node_places")
CELLS = 2**22  # nodes times users that are scored together: 16 MiB of float32


@dataclass(frozen=True, slots=True)
class TriePointerAnswers:
    """Scores of a trained network.

    Attributes:
        items: vectors of I items.
        nodes: vectors of N trie nodes.
        bias: float64 [N].
        body: trunk and pointer in float64.
        item_places, node_places: where items and nodes lie that come later.
        spell: the trie.
    """

    items: ItemRows
    nodes: ItemRows
    bias: Tensor
    body: TriePointerBody
    item_places: InputPlaces
    node_places: NodePlaces
    spell: TrieSoftmax

    @classmethod
    def of(
        cls, config: "TriePointerConfig", codes: CodeTable, module: TriePointerModule
    ) -> "TriePointerAnswers":
        """What answers as `module` does; the module goes on on its own."""
        blank = cls._blank(config, codes, module.inputs.content.in_features)
        for ours, theirs in zip(blank, (module.body, module.inputs, module.nodes), strict=True):
            learned = theirs.state_dict()
            ours.load_state_dict({name: learned[name] for name in ours.state_dict()})
        bias = module.nodes.bias.detach().double()
        body, items, nodes = blank
        rows = module.inputs.rows(), module.nodes.rows()
        return cls(rows[0], rows[1], bias, body, items, nodes, TrieSoftmax(codes.trie))

    @classmethod
    def _blank(
        cls, config: "TriePointerConfig", codes: CodeTable, content_size: int
    ) -> tuple[TriePointerBody, InputPlaces, NodePlaces]:
        """What has weights, of the right shapes and with nothing learned."""
        rng = torch.get_rng_state()
        body = TriePointerBody(config, len(codes)).double().eval()
        items = InputPlaces(codes.semantic_sizes, content_size, config.d_model)
        nodes = NodePlaces(sum(codes.sizes), content_size, config.d_model)
        torch.set_rng_state(rng)  # an answer in the middle of a training must not change what is drawn next
        for part in (body, items, nodes):
            part.requires_grad_(False)
        return body, items, nodes

    @property
    def users_at_once(self) -> int:
        """Users to score exactly together; only speed and memory depend on it."""
        return max(1, min(64, CELLS // max(1, len(self.nodes))))

    def item_scores(self, batch: Batch) -> Tensor:
        """Log p(item) under the mixture: float32 [B, I]; the pointer adds to the items that a user had."""
        back, sentinel, hidden = self._heads(batch)
        spelled = self.spell.leaves(self.nodes.logits(hidden, self.bias)).add_(sentinel.float())
        pairs = self.spell.leaf[batch.pair_item], batch.pair_query
        spelled[pairs] = torch.logaddexp(spelled[pairs].double(), back).float()
        return spelled.index_select(0, self.spell.leaf).T.contiguous()

    def prefixes(self, batch: Batch, trie: Trie) -> Prefixes:
        """Log p(prefix) under the mixture, summed over everything below it, for a beam to ask for."""
        back, sentinel, hidden = self._heads(batch)
        path = 1 + self.spell.path[batch.pair_item].numpy()
        returns = Returns.of(batch.pair_query.numpy(), path, back.numpy(), len(trie))
        bias, late = self.bias.numpy(), self.spell.late
        return Prefixes(hidden, sentinel.numpy(), returns, self.nodes, bias, trie, late)

    def _heads(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Log p(return to the pair's item) [P], log p(sentinel) [B], hidden [B, D]."""
        baskets, pointer = batch.baskets, self.body.pointer
        place = batch.cell - torch.arange(len(batch.cell)) * baskets.gap.shape[1]
        hidden = self.body.state_at(baskets, self.items.at(baskets.item), place)
        of_pairs = pointer.of_item(self.items.at(batch.pair_item))
        back, sentinel = pointer(hidden, batch.pair_query, batch.pair_item, batch.pair_features, of_pairs)
        return back, sentinel, hidden

    def state(self) -> Arrays:
        """All of it as arrays; float64 is float32 that was widened."""
        learned = {
            f"{part}.{name}": value.float().numpy()
            for part in WITH_WEIGHTS
            for name, value in getattr(self, part).state_dict().items()
        }
        late = {} if self.spell.late is None else {"late": self.spell.late}
        tables = {"items": self.items.whole(), "nodes": self.nodes.whole(), "bias": self.bias.float()}
        return {**learned, **late, **{name: table.numpy() for name, table in tables.items()}}

    @classmethod
    def from_state(cls, config: "TriePointerConfig", codes: CodeTable, state: Arrays) -> "TriePointerAnswers":
        """The inverse of `state`; the tables are not copied."""
        blank = cls._blank(config, codes, state["item_places.content.weight"].shape[1])
        for part, ours in zip(WITH_WEIGHTS, blank, strict=True):
            named = {name: torch.from_numpy(state[f"{part}.{name}"]) for name in ours.state_dict()}
            ours.load_state_dict(named)
        body, items, nodes = blank
        rows = [ItemRows.of(torch.from_numpy(state[name])) for name in ("items", "nodes")]
        bias, spell = torch.from_numpy(state["bias"]).double(), TrieSoftmax(codes.trie, state.get("late"))
        return cls(rows[0], rows[1], bias, body, items, nodes, spell)
