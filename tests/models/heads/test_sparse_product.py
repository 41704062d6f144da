"""Sparse product: values and gradients of the dense one; means over neighbours."""

import numpy as np
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.heads.sparse_product import SparseProduct, mean_over_neighbours


def test_items_get_the_weighted_mean_of_their_neighbours():
    weights = sp.csr_matrix(np.array([[0, 3, 1], [2, 0, 0], [0, 0, 0]], dtype=np.float32))
    items = torch.tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
    assert mean_over_neighbours(weights)(items).tolist() == [[3, 30], [1, 10], [0, 0]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8))
def test_values_and_gradients_are_those_of_the_dense_product(seed, n_rows, n_columns):
    rng = np.random.default_rng(seed)
    matrix = rng.random((n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < 0.4)
    product = SparseProduct(sp.csr_matrix(matrix)).double()
    dense = torch.from_numpy(matrix.astype(np.float32)).double()
    table = torch.from_numpy(rng.normal(size=(n_columns, 3))).requires_grad_()
    pull = torch.from_numpy(rng.normal(size=(n_rows, 3)))
    found = product(table)
    torch.testing.assert_close(found, dense @ table)
    torch.testing.assert_close(torch.autograd.grad(found, table, pull)[0], dense.T @ pull)
