import numpy as np

from data.interactions import Interactions
from models.item_graph import ItemGraph, count_graph, degree_normalised, graph_of, strongest
from models.recommender import FitData


def test_windowed_counts_by_hand():
    # 0 -> 1 -> 2, window 2, decay .5: 0->1 and 1->2 weigh 1, 0->2 weighs .5
    events = Interactions.from_histories([[0, 1, 2]])
    graph = count_graph(events, 3, window=2, decay=0.5, within_basket=False)
    assert graph.weights.toarray().tolist() == [[0, 1, 0.5], [0, 0, 1], [0, 0, 0]]


def test_baskets_are_sets_and_users_do_not_mix():
    # user one: {0, 1} then {2}; user two: {3} only
    events = Interactions.from_histories([[0, 1, 2], [3]], baskets=[[0, 0, 1], [0]])
    graph = count_graph(events, 4, window=1, decay=1.0, within_basket=True)
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = expected[0, 2] = expected[1, 2] = 1
    assert np.array_equal(graph.weights.toarray(), expected)


def test_cosine_by_hand():
    # 0->1 twice, 0->2 once; symmetric degrees 3, 2, 1: w01 = 2 / sqrt(3 * 2), w02 = 1 / sqrt(3)
    events = Interactions.from_histories([[0, 1], [0, 1], [0, 2]])
    counted = count_graph(events, 3, window=1, decay=1.0, within_basket=False)
    weights = degree_normalised(counted, backward_weight=1, power=0.5).weights.toarray()
    assert np.isclose(weights[0, 1], 2 / 6**0.5)
    assert np.isclose(weights[2, 0], 1 / 3**0.5)


def test_what_came_before_may_weigh_less_and_popularity_more():
    # as above: degrees 3, 2, 1 whatever the backward weight; w01 = 2 / (3 * 2)^.25, w10 = half of it
    events = Interactions.from_histories([[0, 1], [0, 1], [0, 2]])
    counted = count_graph(events, 3, window=1, decay=1.0, within_basket=False)
    weights = degree_normalised(counted, backward_weight=0.5, power=0.25).weights.toarray()
    assert np.isclose(weights[0, 1], 2 / 6**0.25)
    assert np.isclose(weights[1, 0], 1 / 6**0.25)


def test_the_strongest_neighbours_stay():
    events = Interactions.from_histories([[0, 1], [0, 1], [0, 2], [0, 3], [3, 2]])
    counted = count_graph(events, 4, window=1, decay=1.0, within_basket=False)
    kept = strongest(counted, 2).weights.toarray()
    assert kept.tolist() == [[0, 2, 1, 0], [0] * 4, [0] * 4, [0, 0, 1, 0]]


def test_arrays_rebuild_the_graph():
    graph = count_graph(Interactions.from_histories([[0, 1, 2]]), 3, window=1, decay=1, within_basket=False)
    again = ItemGraph.from_arrays(graph.to_arrays())
    assert np.array_equal(again.weights.toarray(), graph.weights.toarray())


def test_a_graph_is_counted_once_for_equal_settings():
    data = FitData(Interactions.from_histories([[0, 1, 2]]), 3, np.zeros((3, 1), np.float32), None)
    first = graph_of(data, window=1, decay=0.5, within_basket=False)
    assert graph_of(data, window=1, decay=0.9, within_basket=False) is first  # no pair is two baskets apart
    other = graph_of(data, window=2, decay=0.5, within_basket=False)
    assert other.weights.toarray().tolist() == [[0, 1, 0.5], [0, 0, 1], [0, 0, 0]]
