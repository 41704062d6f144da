"""Borrowing: who lends to an item that nobody has bought, and how much."""

import numpy as np
import pytest

from models.heads import borrowing
from models.heads.borrowing import SHARE, borrowed_from

CONTENT = np.array([[1, 0], [3, 0], [1, 1], [-1, 0], [2, 0], [0, 0]], dtype=np.float32)
KNOWN = np.array([True, False, True, True, False, False])


def test_the_nearest_known_items_lend_by_the_fourth_power_of_the_cosine():
    found = borrowed_from(CONTENT, KNOWN, 2).toarray()
    whole = 1 + 0.5**2  # cosines of 1 and of the root of a half
    for borrower in (1, 4):
        assert found[borrower] == pytest.approx([SHARE / whole, 0, SHARE * 0.25 / whole, 0, 0, 0])
    assert not found[[0, 2, 3]].any()  # known items borrow nothing


def test_who_is_not_described_borrows_nothing():
    assert not borrowed_from(CONTENT, KNOWN, 2).toarray()[5].any()


def test_no_more_lend_than_there_are():
    assert borrowed_from(CONTENT, KNOWN, 99).toarray()[1, 3] == 0  # the other way round is no likeness
    assert borrowed_from(CONTENT, np.zeros(6, dtype=bool), 5).nnz == 0
    assert borrowed_from(CONTENT, np.ones(6, dtype=bool), 5).nnz == 0


def test_passes_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    content, known = rng.normal(size=(60, 8)).astype(np.float32), rng.random(60) < 0.5
    whole = borrowed_from(content, known, 5).toarray()
    monkeypatch.setattr(borrowing, "ROWS_PER_PASS", 7)
    assert np.allclose(borrowed_from(content, known, 5).toarray(), whole)
    assert np.allclose(whole[~known].sum(axis=1), SHARE)
