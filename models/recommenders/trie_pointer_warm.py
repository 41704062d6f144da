"""Trie-pointer, warm: the weights of a model that serves, moved into one for a later catalogue.

Rows of items go by item, rows of trie nodes by prefix, rows of code embeddings by code. What is new keeps its
untrained row: a free part of zero, so that codes and content alone place it, and the counts of today's events
as its bias. Dims: I items now, J items then, L levels.
"""

import torch
from torch import Tensor

from data.interactions import Ints
from models.tokenizers.code_table import CodeTable

State = dict[str, Tensor]

BY_ITEM = ("inputs.free", "pointer.item_bias")
BY_NODE = ("nodes.free", "nodes.bias")
OF_TODAY = ("inputs.item_codes", "inputs.item_content", "nodes.node_code", "nodes.node_content")


def carried_over(fresh: State, served: State, now: CodeTable, before: CodeTable, then: Ints) -> State:
    """`fresh` with every row that `served` has learned.

    Args:
        fresh: state of an untrained module for `now`, I items.
        served: state of the module that serves, J items.
        now: codes of today's catalogue.
        before: codes that serve; an item that is in both has the same row.
        then: int64 [I], id of each item among the J, -1 for a new one.

    Raises:
        ValueError: an item has other codes than before, or the levels are others.
    """
    known = then >= 0
    _refuse_other_codes(now, before, then)
    paths, old_paths = now.trie.paths()[known] - 1, before.trie.paths()[then[known]] - 1
    rows = (torch.from_numpy(known.nonzero()[0]), torch.from_numpy(then[known]))
    nodes = (torch.from_numpy(paths.ravel()), torch.from_numpy(old_paths.ravel()))
    state = {}
    for name, tensor in fresh.items():
        if name in OF_TODAY:
            state[name] = tensor
        elif name in BY_ITEM:
            state[name] = _with_rows(tensor, served[name], *rows)
        elif name in BY_NODE:
            state[name] = _with_rows(tensor, served[name], *nodes)
        else:
            state[name] = torch.cat([served[name], tensor[len(served[name]) :]])
    return state


def _with_rows(fresh: Tensor, served: Tensor, place: Tensor, source: Tensor) -> Tensor:
    merged = fresh.clone()
    merged[place] = served[source]
    return merged


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
