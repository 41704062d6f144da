"""Plots: the few pictures that let a person judge a run at a glance.

Knows numbers, not where they are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.recommender import Epoch

BLUE, ORANGE, GREY, GREEN, RED = "#2f6f9f", "#d9822b", "#8a8f98", "#2e8b57", "#c0392b"
LINE_OF_TEXT = 0.026  # of the height of a tall plot


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its confidence interval, low <= mean <= high."""

    name: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean over seeds with its standard deviation."""

    name: str
    mean: float
    sd: float


def accuracy_and_cost(
    spreads: Sequence[Spread],
    seconds: Mapping[str, float],
    published: Mapping[str, float],
    *,
    metric: str,
    winner: str,
) -> Figure:
    """Metric against seconds of one fit, `winner` in colour; published numbers are lines without a cost."""
    figure, axes = _canvas(height=4.6)
    gap = LINE_OF_TEXT * max([each.mean for each in spreads] + list(published.values()), default=1.0)
    for each, height in zip(spreads, _apart([each.mean for each in spreads], gap), strict=True):
        colour = ORANGE if each.name == winner else BLUE
        cost = max(seconds[each.name], 1e-3)
        axes.errorbar(cost, each.mean, yerr=each.sd, fmt="o", color=colour, capsize=3)
        axes.annotate(each.name, (cost, height), (7, -3), textcoords="offset points", fontsize=8)
    for (name, value), height in zip(published.items(), _apart(list(published.values()), gap), strict=True):
        axes.axhline(value, color=GREY, linewidth=0.8, linestyle=":")
        axes.annotate(
            f"{name}, published",
            (1.01, height),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
            color=GREY,
        )
    axes.set_xscale("log")
    axes.margins(x=0.12)  # room for the last name
    axes.set_xlabel("seconds of one fit")
    axes.set_ylabel(metric)
    return figure


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved up as far as needed that no two are closer than `gap`, in the order given."""
    moved, floor = [0.0] * len(heights), -np.inf
    for place in np.argsort(heights, kind="stable"):
        moved[place] = floor = max(heights[place], floor + gap)
    return moved


def ablations(spreads: Sequence[Spread], *, metric: str) -> Figure:
    """A bar for each form of a family, best on top; a name without "/" is the whole family."""
    figure, axes = _canvas(height=1.0 + 0.35 * len(spreads))
    ordered = sorted(spreads, key=lambda each: each.mean)
    colours = [BLUE if "/" in each.name else ORANGE for each in ordered]
    means, sds = [each.mean for each in ordered], [each.sd for each in ordered]
    axes.barh([each.name for each in ordered], means, xerr=sds, color=colours, ecolor=GREY)
    axes.set_xlabel(metric)
    return figure


def forest(estimates: Sequence[Estimate], *, metric: str, winner: str) -> Figure:
    """Families compared: one line each, best on top, `winner` in colour."""
    figure, axes = _canvas(height=1.2 + 0.4 * len(estimates))
    ordered = sorted(estimates, key=lambda each: each.mean)
    for row, each in enumerate(ordered):
        colour = ORANGE if each.name == winner else BLUE
        axes.plot([each.low, each.high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot(each.mean, row, "o", color=colour, markersize=7)
        axes.annotate(
            f"{each.mean:.4f}", (each.mean, row), (0, 7), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_yticks(range(len(ordered)), [each.name for each in ordered])
    axes.set_ylim(-0.6, len(ordered) - 0.2)
    axes.set_xlabel(f"{metric}, mean and 95 % interval over users")
    return figure


def differences(estimates: Sequence[Estimate], *, metric: str) -> Figure:
    """Challenger minus opponent, one line a slice, first on top; green is clearly above 0, red below."""
    figure, axes = _canvas(height=1.2 + 0.36 * len(estimates))
    ordered = list(reversed(estimates))
    for row, each in enumerate(ordered):
        colour = GREEN if each.low > 0 else RED if each.high < 0 else GREY
        axes.plot([each.low, each.high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot(each.mean, row, "o", color=colour, markersize=7)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(ordered)), [each.name for each in ordered])
    axes.set_ylim(-0.6, len(ordered) - 0.4)
    axes.set_xlabel(f"difference in {metric}")
    return figure


def by_slice(means: Mapping[str, Mapping[str, float]], *, metric: str) -> Figure:
    """Slices down, families across: the metric in numbers, its share of the slice's best in colour."""
    slices, families = list(means), list(dict.fromkeys(name for row in means.values() for name in row))
    table = np.array([[means[row].get(name, np.nan) for name in families] for row in slices])
    shares = table / np.maximum(np.nanmax(table, axis=1, keepdims=True), 1e-12)
    figure, axes = _canvas(height=1.4 + 0.36 * len(slices))
    axes.grid(False)
    axes.imshow(shares, aspect="auto", cmap="Blues", vmin=0, vmax=1.4)
    for row, column in np.ndindex(table.shape):
        best = shares[row, column] == 1
        value = table[row, column]
        words = "" if np.isnan(value) else f"{value:.3f}"
        axes.text(column, row, words, ha="center", va="center", fontsize=8, weight="bold" if best else None)
    axes.set_xticks(range(len(families)), families, rotation=20, ha="right")
    axes.set_yticks(range(len(slices)), slices)
    axes.set_xlabel(f"{metric}; bold: the best of the slice")
    return figure


def costs(seconds: Mapping[str, float]) -> Figure:
    """CPU seconds of tuning, training and scoring, one bar a family, dearest on top."""
    figure, axes = _canvas(height=1.0 + 0.35 * len(seconds))
    ordered = sorted(seconds.items(), key=lambda pair: pair[1])
    bars = axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=BLUE)
    axes.bar_label(bars, fmt=" {:,.0f}", fontsize=8)
    axes.set_xlabel("CPU seconds: tuning, training, scoring")
    return figure


def learning_curves(epochs: Sequence[Epoch]) -> Figure:
    """Loss and validation metric by epoch."""
    figure, axes = _canvas(height=3.6)
    numbers = [epoch.number for epoch in epochs]
    axes.plot(numbers, [epoch.loss for epoch in epochs], color=GREY, label="training loss")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    right = axes.twinx()
    right.plot(numbers, [epoch.metric for epoch in epochs], color=BLUE, marker="o", label="validation metric")
    right.set_ylabel("validation metric")
    figure.legend(loc="upper center", ncols=2, frameon=False)
    return figure


def code_use(codes: np.ndarray, sizes: Sequence[int]) -> Figure:
    """How many items carry each code, most used first, one panel a level.

    Args:
        codes: int64 [I, L].
        sizes: codes of each level, L entries.
    """
    figure = Figure(figsize=(2.6 * len(sizes), 2.8), layout="constrained")
    for level, size in enumerate(sizes):
        axes = figure.add_subplot(1, len(sizes), level + 1)
        used = np.sort(np.bincount(codes[:, level], minlength=size))[::-1]
        axes.fill_between(np.arange(size), used, step="mid", color=BLUE)
        axes.set_title(f"level {level + 1}: {np.count_nonzero(used)} of {size} used", fontsize=9)
        axes.set_xlabel("code, most used first")
    figure.axes[0].set_ylabel("items")
    return figure


def study_history(values: Sequence[float], *, metric: str) -> Figure:
    """Metric of every trial and the best so far; pruned trials (-inf) are left out."""
    figure, axes = _canvas(height=3.2)
    numbers = np.arange(len(values))
    finite = np.isfinite(values)
    best = np.maximum.accumulate(np.where(finite, values, -np.inf))
    axes.plot(numbers[finite], np.asarray(values)[finite], "o", color=GREY, label="trial")
    axes.step(
        numbers[np.isfinite(best)], best[np.isfinite(best)], where="post", color=BLUE, label="best so far"
    )
    axes.set_xlabel("trial")
    axes.set_ylabel(metric)
    axes.legend(frameon=False)
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """Share of each setting in the variance of the metric."""
    figure, axes = _canvas(height=1.0 + 0.35 * len(shares))
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    axes.barh([name for name, _ in ordered], [share for _, share in ordered], color=BLUE)
    axes.set_xlabel("share of the metric's variance")
    return figure


def _canvas(*, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e6e8eb")
    axes.set_axisbelow(True)
    return figure, axes
