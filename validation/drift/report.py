"""Drift report: the measures as one self-contained page, each with a bar against its limits."""

from collections.abc import Sequence
from html import escape
from math import isnan
from pathlib import Path

from data.snapshot import Manifest
from validation.drift.config import Level
from validation.drift.measures import Measure, level_of
from validation.page import template

LIGHTS = {Level.FINE: "green", Level.RETRAIN: "amber", Level.ALERT: "red"}
HEADLINES = {
    Level.FINE: "Fine: the data looks like what the champion learned from",
    Level.RETRAIN: "Retrain: the data has moved",
    Level.ALERT: "Stop and look: the data is not what it was",
}


def write_report(measures: Sequence[Measure], reference: Manifest, current: Manifest, file: Path) -> None:
    """Write the page to `file`."""
    level = level_of(measures)
    calling = [each.name for each in measures if each.level is not Level.FINE]
    summary = f"{len(calling)} of {len(measures)} measures call for it" if calling else "No measure moved"
    file.write_text(
        template("report", __package__ or "").substitute(
            light=LIGHTS[level],
            headline=escape(HEADLINES[level]),
            summary=escape(summary + (": " + ", ".join(calling) if calling else "")),
            rows="".join(_row(each) for each in measures),
            reference=escape(reference.digest[:12]),
            current=escape(current.digest[:12]),
            source=escape(current.source),
        ),
        encoding="utf-8",
    )


def plain(measures: Sequence[Measure]) -> str:
    """The measures as a Markdown table."""
    lines = ["| measure | moved by | calls for | before | now |", "|---|---|---|---|---|"]
    lines += [
        f"| {each.name} | {each.value:.3f} | {each.level} | {each.before} | {each.now} |" for each in measures
    ]
    return "\n".join(lines) + "\n"


def _row(each: Measure) -> str:
    return (
        f"<tr><td>{escape(each.name)}<td><span class='badge {LIGHTS[each.level]}'>{each.level}</span>"
        f"<td>{_bar(each)}<td>{escape(each.before)}<td>{escape(each.now)}"
    )


def _bar(each: Measure) -> str:
    """The value on a line that ends a little behind the largest limit, with a tick for each limit."""
    marks = [mark for mark in (each.limits.retrain, each.limits.alert) if mark is not None]
    value = 0.0 if isnan(each.value) else each.value
    width = 1.15 * max([*marks, value, 1e-9])
    ticks = "".join(f"<i style='left:{100 * mark / width:.1f}%' title='{mark:g}'></i>" for mark in marks)
    fill = f"<b style='width:{100 * value / width:.1f}%'></b>"
    return f"<div class='bar {LIGHTS[each.level]}'>{fill}{ticks}</div><small>{each.value:.3f}</small>"
