"""Plots draw what they were given."""

import numpy as np

from flows.tracking import plots
from flows.tracking.plots import Estimate, Spread
from models.recommender import Epoch


def test_the_best_family_is_on_top_and_the_winner_is_coloured():
    figure = plots.forest(
        [Estimate("a", 0.3, 0.2, 0.4), Estimate("b", 0.1, 0.05, 0.2)], metric="ndcg_at_10", winner="b"
    )
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    assert axes.lines[0].get_color() == plots.ORANGE


def test_code_use_counts_items_of_each_code():
    figure = plots.code_use(np.array([[0, 1], [0, 2], [2, 1]]), (4, 3))
    # level 1 uses codes 0 and 2 of four, level 2 uses 1 and 2 of three
    assert [axes.get_title() for axes in figure.axes] == ["level 1: 2 of 4 used", "level 2: 2 of 3 used"]


def test_pruned_trials_are_left_out_of_the_history():
    figure = plots.study_history([0.1, float("-inf"), 0.3], metric="ndcg_at_10")
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 2]
    assert figure.axes[0].lines[1].get_ydata().tolist() == [0.1, 0.1, 0.3]


def test_curves_and_importance_can_be_written(tmp_path):
    epochs = [Epoch(1, 2.0, 0.1, 1.0, 1.0), Epoch(2, 1.0, 0.2, 1.0, 1.0)]
    for name, figure in {
        "curves": plots.learning_curves(epochs),
        "importance": plots.importance({"x": 0.7, "y": 0.3}),
    }.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_cost_is_the_x_axis_and_published_numbers_are_lines():
    figure = plots.accuracy_and_cost(
        [Spread("a", 0.3, 0.01), Spread("b", 0.2, 0.0)],
        {"a": 100.0, "b": 0.0},
        {"paper": 0.25},
        metric="ndcg",
        winner="a",
    )
    axes = figure.axes[0]
    points = {container.lines[0].get_xdata()[0]: container.lines[0] for container in axes.containers}
    assert set(points) == {100.0, 1e-3}  # a logarithmic axis has no zero
    assert points[100.0].get_color() == plots.ORANGE
    assert any(list(line.get_ydata()) == [0.25, 0.25] for line in axes.lines)


def test_the_whole_family_stands_out_among_its_ablations():
    figure = plots.ablations([Spread("f/without", 0.4, 0.0), Spread("f", 0.3, 0.1)], metric="ndcg")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["f", "f/without"]
    assert [bar.get_width() for bar in axes.patches] == [0.3, 0.4]


def test_names_of_alike_results_do_not_cover_each_other():
    figure = plots.accuracy_and_cost(
        [Spread("a", 0.300, 0.0), Spread("b", 0.301, 0.0), Spread("far", 0.1, 0.0)],
        {"a": 10.0, "b": 10.0, "far": 10.0},
        {"paper": 0.2, "other": 0.2},
        metric="ndcg",
        winner="a",
    )
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5
    assert not any(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at])
