"""Plots draw what they were given."""

import numpy as np

from flows import plots
from flows.plots import Estimate
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
    epochs = [Epoch(1, 2.0, 0.1, 1.0), Epoch(2, 1.0, 0.2, 1.0)]
    for name, figure in {
        "curves": plots.learning_curves(epochs),
        "importance": plots.importance({"x": 0.7, "y": 0.3}),
    }.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
