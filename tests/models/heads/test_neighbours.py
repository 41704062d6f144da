"""Neighbours: a weighted mean over an item graph, and its gradient."""

import numpy as np
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.neighbours import Neighbours
from models.item_graph import ItemGraph


def test_items_get_the_weighted_mean_of_their_neighbours():
    graph = ItemGraph(sp.csr_matrix(np.array([[0, 3, 1], [2, 0, 0], [0, 0, 0]], dtype=np.float32)))
    items = torch.tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
    assert Neighbours(graph)(items).tolist() == [[3, 30], [1, 10], [0, 0]]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_values_and_gradients_are_those_of_the_dense_product(seed, n_items):
    rng = np.random.default_rng(seed)
    weights = rng.random((n_items, n_items)) * (rng.random((n_items, n_items)) < 0.4)
    neighbours = Neighbours(ItemGraph(sp.csr_matrix(weights.astype(np.float32)))).double()
    total = weights.sum(1, keepdims=True)
    dense = torch.from_numpy(np.divide(weights, total, out=np.zeros_like(weights), where=total > 0))
    items = torch.from_numpy(rng.normal(size=(n_items, 3))).requires_grad_()
    pull = torch.from_numpy(rng.normal(size=(n_items, 3)))
    found = neighbours(items)
    torch.testing.assert_close(found, dense @ items, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(found, items, pull)[0], dense.T @ pull, rtol=1e-5, atol=1e-6
    )
