"""Item views: id, content and codes in one vector."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from models.heads.item_views import ItemViews
from models.item_graph import ItemGraph
from models.tokenizers.code_table import CodeTable

CODES = CodeTable(np.array([[0, 1, 0], [1, 1, 0], [0, 1, 1]]), (2, 2, 2))  # items 0 and 2 differ in the digit
CONTENT = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=np.float32)
KNOWN = np.array([True, True, False])
NEAR = ItemGraph(sp.csr_matrix(np.array([[0, 2, 0], [2, 0, 0], [0, 0, 0]], dtype=np.float32)))
OWN = ("id", "content", "codes")


def made(**settings):
    torch.manual_seed(0)
    return ItemViews(CODES, CONTENT, KNOWN, NEAR, 4, **({"views": OWN} | settings))


def test_items_with_the_same_codes_and_content_start_alike():
    only_codes = made(views=("codes",))()
    assert torch.equal(only_codes[0], only_codes[2])
    assert not torch.equal(only_codes[0], only_codes[1])


def test_the_vector_is_the_sum_of_its_views():
    views = made()
    with torch.no_grad():
        views.id.copy_(torch.arange(12.0).view(3, 4))
    codes = (views.digits[0].weight[0] + views.digits[1].weight[1]) / 2
    assert torch.allclose(views()[0], views.id[0] + views.project.weight[:, 0] + codes)


def test_an_unknown_item_has_no_id_however_its_row_is_filled():
    views = made(views=("id",))
    with torch.no_grad():
        views.id.fill_(7.0)
    assert views()[:, 0].tolist() == [7, 7, 0]
    views()[2].sum().backward()
    assert views.id.grad.abs().sum() == 0


def test_id_dropout_hides_whole_ids_in_training_only():
    views = made(views=("id",), id_dropout=0.5)
    with torch.no_grad():
        views.id.fill_(1.0)
    assert views.eval()()[:2].tolist() == [[1] * 4] * 2
    rows = torch.stack([views.train()()[:2] for _ in range(100)])
    assert set(rows.flatten().tolist()) == {0.0, 2.0}
    assert (rows == rows[..., :1]).all()
    assert rows.mean().item() == pytest.approx(1, abs=0.2)


def test_neighbours_add_their_own_vectors():
    views = made(views=("id", "neighbours"))
    with torch.no_grad():
        views.id.copy_(torch.arange(12.0).view(3, 4))
    assert views()[:, 0].tolist() == [0 + 4, 4 + 0, 0]


def test_an_item_without_events_borrows_in_answers_alone():
    borrowed = sp.csr_matrix(np.array([[0, 0, 0], [0, 0, 0], [0.1, 0.5, 0]]))
    views = made(views=("id", "neighbours"), borrowed=borrowed)
    with torch.no_grad():
        views.id.copy_(torch.arange(12.0).view(3, 4))
    assert views.eval()()[:, 0].tolist() == pytest.approx([4, 4, 0.1 * 0 + 0.5 * 4])
    assert views.train()()[:, 0].tolist() == [4, 4, 0]
    assert made(views=("id",), borrowed=borrowed).borrowed is None  # nothing is borrowed without neighbours
