"""Trie-pointer, late: items that come after the model was learned, without training.

A late item has no free part, so its content and its codes place it. A late trie node is as likely among its
siblings as the median of them: its bias is theirs. Every node that was learned keeps vector and bias, and the
softmax of siblings is still taken over these (`heads/trie_softmax.py`), so items that were known keep their
scores, and what a verdict was made on is what is answered. Adding items at once or one after another is the
same. Dims: I items, N trie nodes without the root, L levels.
"""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from data.interactions import Ints
from models.heads.item_rows import ItemRows
from models.heads.item_tables import NodePlaces, codes_of_nodes, content_below
from models.heads.trie_softmax import TrieSoftmax
from models.recommender import Floats, Mask
from models.recommenders.code_recommender import with_digits
from models.recommenders.trie_pointer.answers import TriePointerAnswers
from models.tokenizers.code_table import CodeTable, Trie


def late_nodes(now: CodeTable, before: CodeTable, late_before: Mask | None) -> Mask:
    """Nodes of `now` that were not learned: bool [N].

    Args:
        now: all items, those of `before` first and unchanged.
        before: items that are known.
        late_before: nodes of `before` that were not learned themselves, None for none.
    """
    late = np.ones(len(now.trie) - 1, dtype=bool)
    late[_places(now, before)] = False if late_before is None else late_before
    return late


def with_late(
    served: TriePointerAnswers, now: CodeTable, before: CodeTable, vectors: Floats
) -> TriePointerAnswers:
    """What answers for the items of `now`; tables of what is known are shared with `served`.

    Args:
        served: answers for `before`.
        now: all items, those of `before` first.
        before: items that are known.
        vectors: float32 [I, C], content of all items.
    """
    late = late_nodes(now, before, served.spell.late)
    item_places, node_places = served.item_places, _with_digits(served.node_places, now, before)
    new = slice(len(before), None)
    items = served.items.grown(item_places.placed(now.semantic[new], vectors[new]).float())
    nodes, bias = _nodes(served, node_places, now, before, vectors, late)
    body = deepcopy(served.body)
    known = body.pointer.item_bias
    body.pointer.item_bias = nn.Parameter(
        _padded(known, len(now), float(known.median())), requires_grad=False
    )
    return TriePointerAnswers(items, nodes, bias, body, item_places, node_places, TrieSoftmax(now.trie, late))


def _nodes(
    served: TriePointerAnswers,
    places: NodePlaces,
    now: CodeTable,
    before: CodeTable,
    vectors: Floats,
    late: Mask,
) -> tuple[ItemRows, Tensor]:
    """Vectors and biases of all nodes; the new ones lie behind those of `served`, in trie order.

    A node that came since has the mean content of what is below it, also where that changed since.
    """
    place = _places(now, before)
    fresh = np.flatnonzero(late)
    lies = np.empty(len(late), dtype=np.int64)
    lies[place] = np.arange(len(place)) if served.nodes.place is None else served.nodes.place.numpy()
    lies[fresh] = len(served.nodes) + np.arange(len(fresh))
    rows = places.placed(codes_of_nodes(now)[fresh], content_below(now, vectors, fresh)).float()
    bias = np.zeros(len(late), dtype=np.float32)  # as a bundle keeps it
    bias[place] = served.bias.numpy()
    bias = _median_of_siblings(bias, now.trie, late)
    return served.nodes.grown(rows, torch.from_numpy(lies)), torch.from_numpy(bias).double()


def _with_digits(served: NodePlaces, now: CodeTable, before: CodeTable) -> NodePlaces:
    """The same with more collision digits, if there are; a new one is the mean of those there were."""
    grown = deepcopy(served)
    table = with_digits(served.codes.weight.detach(), sum(now.sizes), before.sizes[-1])
    grown.codes = nn.Embedding.from_pretrained(table, freeze=True)
    return grown


def _padded(rows: Tensor, n_rows: int, value: float) -> Tensor:
    new = rows.new_full((n_rows - len(rows),), value)
    return torch.cat([rows.detach(), new])


def _places(now: CodeTable, before: CodeTable) -> Ints:
    """Where each node of `before` is among those of `now`: int64 [N']."""
    place = np.empty(len(before.trie) - 1, dtype=np.int64)
    place[before.trie.paths() - 1] = now.trie.paths()[: len(before)] - 1
    return place


def _median_of_siblings(bias: Floats, trie: Trie, late: Mask) -> Floats:
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
