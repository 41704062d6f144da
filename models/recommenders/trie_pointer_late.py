"""Trie-pointer, late: items that come after the model was learned, without training.

A late item has no free part, so its content and its codes place it. A late trie node is as likely among its
siblings as the median of them: its bias is theirs. Every node that was learned keeps vector and bias, and the
softmax of siblings is still taken over these (`heads/trie_softmax.py`), so items that were known keep their
scores, and what a verdict was made on is what is answered. Adding items at once or one after another is the
same. Dims: I items, N trie nodes without the root, L levels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.interactions import Ints
from models.recommender import Mask
from models.recommenders.code_recommender import with_digits
from models.tokenizers.code_table import CodeTable, Trie

State = dict[str, Tensor]


def late_nodes(now: CodeTable, before: CodeTable, late_before: Mask | None) -> Mask:
    """Nodes of `now` that were not learned: bool [N].

    Args:
        now: all items, those of `before` first and unchanged.
        before: items that are known.
        late_before: nodes of `before` that were not learned themselves, None for none.
    """
    late = np.ones(len(now.trie) - 1, dtype=bool)
    place, source = _shared(now, before)
    late[place] = False if late_before is None else late_before[source]
    return late


def with_late(fresh: State, served: State, now: CodeTable, before: CodeTable, late: Mask) -> State:
    """The state of a module for `now`.

    Args:
        fresh: of an untrained module for `now`; what it computed from content and codes is used.
        served: of the module for `before`.
        now: all items, those of `before` first.
        before: items that are known.
        late: nodes of `now` that were not learned.
    """
    place, source = (torch.from_numpy(nodes) for nodes in _shared(now, before))
    unlearned = torch.from_numpy(late)
    n_digits = before.sizes[-1]
    state: State = {}
    for name, tensor in fresh.items():
        if name in ("inputs.item_codes", "inputs.item_content", "nodes.node_code"):
            state[name] = tensor
        elif name == "inputs.free":
            state[name] = _padded(served[name], len(now), 0.0)
        elif name == "pointer.item_bias":
            state[name] = _padded(served[name], len(now), float(served[name].median()))
        elif name in ("nodes.free", "nodes.bias", "nodes.node_content"):
            merged = tensor.clone()
            merged[place] = served[name][source]
            state[name] = torch.where(_like(unlearned, tensor), _unlearned(name, tensor), merged)
        elif name == "nodes.codes.weight":
            state[name] = with_digits(served[name], len(tensor), n_digits)
        else:
            state[name] = served[name]
    bias = _median_of_siblings(state["nodes.bias"].numpy(), now.trie, late)
    state["nodes.bias"] = torch.from_numpy(bias)
    return state


def _unlearned(name: str, fresh: Tensor) -> Tensor:
    """Rows of late nodes: today's mean content, and nothing of their own."""
    return fresh if name == "nodes.node_content" else torch.zeros_like(fresh)


def _like(rows: Tensor, table: Tensor) -> Tensor:
    """Bool [N], so that it chooses whole rows of [N, ...]."""
    return rows.view(-1, *[1] * (table.ndim - 1))


def _padded(rows: Tensor, n_rows: int, value: float) -> Tensor:
    new = rows.new_full((n_rows - len(rows), *rows.shape[1:]), value)
    return torch.cat([rows, new])


def _shared(now: CodeTable, before: CodeTable) -> tuple[Ints, Ints]:
    """Nodes of `before` (int64 [N']) among those of `now`, and in their own order."""
    source, first = np.unique((before.trie.paths() - 1).ravel(), return_index=True)
    return (now.trie.paths()[: len(before)] - 1).ravel()[first], source


def _median_of_siblings(bias: NDArray[np.float32], trie: Trie, late: Mask) -> NDArray[np.float32]:
    """Biases in which late nodes have the median of their learned siblings, else of their level."""
    parent, out = trie.parent[1:], bias.copy()
    learned = np.flatnonzero(~late)
    order = learned[np.lexsort((bias[learned], parent[learned]))]
    begin = np.searchsorted(parent[order], parent[late], side="left")
    end = np.searchsorted(parent[order], parent[late], side="right")
    low, high = (np.clip(at, 0, len(order) - 1) for at in ((begin + end - 1) // 2, (begin + end) // 2))
    middle = (bias[order[low]] + bias[order[high]]) / 2
    level = np.repeat(np.arange(trie.n_levels), np.diff(trie.level_offsets[1:]))
    of_level = np.array([np.median(bias[(level == at) & ~late]) for at in range(trie.n_levels)])
    out[late] = np.where(end > begin, middle, of_level[level[late]])
    return out
