"""Trie-pointer, warm: the vectors of a model that serves, moved into a network for a later catalogue.

Rows of items go by item, rows of trie nodes by prefix, rows of code embeddings by code. A vector that is
known starts where it is served, whatever its content is by now: its free part takes up the difference. What
is new keeps its untrained row: a free part of zero, so that codes and content alone place it, and the counts
of today's events as its bias. Dims: I items now, J items then, L levels.
"""

import torch
from torch import Tensor, nn

from data.interactions import Ints
from models.recommenders.trie_pointer.answers import TriePointerAnswers
from models.recommenders.trie_pointer.network import TriePointerModule
from models.tokenizers.code_table import CodeTable

ITEM_BIAS = "pointer.item_bias"


@torch.no_grad()
def carry_over(
    module: TriePointerModule, served: TriePointerAnswers, now: CodeTable, before: CodeTable, then: Ints
) -> None:
    """Give `module` all that `served` has learned.

    Args:
        module: an untrained network for `now`, I items.
        served: what answers for J items.
        now: codes of today's catalogue.
        before: codes that serve; an item that is in both has the same row.
        then: int64 [I], id of each item among the J, -1 for a new one.

    Raises:
        ValueError: an item has other codes than before, or the levels are others.
    """
    known = then >= 0
    _refuse_other_codes(now, before, then)
    paths, old_paths = now.trie.paths()[known] - 1, before.trie.paths()[then[known]] - 1
    place, source = torch.from_numpy(known.nonzero()[0]), torch.from_numpy(then[known])
    nodes, old_nodes = torch.from_numpy(paths.ravel()), torch.from_numpy(old_paths.ravel())
    _load(module.body, served.body, {ITEM_BIAS: (place, source)})
    _load(module.inputs, served.item_places)
    _load(module.nodes, served.node_places)
    for table, rows, here, there in (
        (module.inputs, served.items, place, source),
        (module.nodes, served.nodes, nodes, old_nodes),
    ):
        table.free[here] = (rows.at(there) - table.rows().at(here)).float()
    module.nodes.bias[nodes] = served.bias[old_nodes].float()


def _load(
    module: nn.Module, served: nn.Module, by_item: dict[str, tuple[Tensor, Tensor]] | None = None
) -> None:
    """Take on what `served` has; tables that grew keep their last rows, those of `by_item` go by row."""
    fresh, state = module.state_dict(), {}
    for name, learned in served.state_dict().items():
        value = learned.to(fresh[name].dtype)
        if by_item and name in by_item:
            place, source = by_item[name]
            state[name] = fresh[name].clone()
            state[name][place] = value[source]
        else:
            state[name] = torch.cat([value, fresh[name][len(value) :]])
    module.load_state_dict(state, strict=False)


def _refuse_other_codes(now: CodeTable, before: CodeTable, then: Ints) -> None:
    """Levels may only grow at the last one, the collision digit, whose rows come last in every table."""
    known = then >= 0
    if now.semantic_sizes != before.semantic_sizes or now.sizes[-1] < before.sizes[-1]:
        raise ValueError(
            f"A warm start needs codes of the same sizes, but got {now.sizes} after {before.sizes}: keep the "
            "codes that serve ([churn] keep_codes = true), or start cold."
        )
    n_changed = int((now.codes[known] != before.codes[then[known]]).any(axis=1).sum())
    if n_changed:
        raise ValueError(
            f"A warm start needs the codes that serve, but {n_changed} of {int(known.sum())} items have "
            "others: keep them ([churn] keep_codes = true), or start cold."
        )
