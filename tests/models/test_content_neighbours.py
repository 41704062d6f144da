"""Directions of four items in the plane."""

import numpy as np

from models.content_neighbours import ContentNeighbours

ITEMS = ContentNeighbours(np.array([[2, 0], [0, 3], [5, 5], [0, 0]], dtype=np.float32))
HALF = np.sqrt(0.5)


def test_scores_are_cosines_whatever_the_lengths():
    assert np.allclose(ITEMS.scores(np.array([7, 0], dtype=np.float32)), [1, 0, HALF, 0])


def test_of_an_item_without_content_nothing_is_known():
    assert ITEMS.knows(np.arange(4)).tolist() == [True, True, True, False]
    assert ITEMS.scores(ITEMS.mean(np.array([3]))).tolist() == [0, 0, 0, 0]


def test_several_items_point_between_them():
    assert np.allclose(ITEMS.scores(ITEMS.mean(np.array([0, 1]))), [HALF, HALF, 1, 0])
    assert ITEMS.mean(np.array([], dtype=np.int64)).tolist() == [0, 0]


def test_similarity_is_by_pair():
    assert np.allclose(ITEMS.similarity(np.array([0, 2]), np.array([1, 2])), [[0, HALF], [HALF, 1]])
