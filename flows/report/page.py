"""Page: a report's sections as one self-contained HTML file."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from matplotlib import rc_context
from matplotlib.figure import Figure

from validation.page import template

Light = Literal["green", "amber", "red"]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it; what is empty is left out.

    Attributes:
        title: heading.
        words: one or two sentences.
        figure: picture.
        rows: table, all rows with the same columns.
    """

    title: str
    words: str = ""
    figure: Figure | None = None
    rows: Sequence[Mapping[str, str]] = ()


def write_page(
    file: Path,
    *,
    light: Light,
    headline: str,
    summary: str,
    reasons: Sequence[str],
    sections: Sequence[Section],
    footer: str,
) -> None:
    """Write the page; nothing in it comes from another host."""
    html = template("run_report", __package__ or "").substitute(
        title=escape(headline),
        light=light,
        headline=escape(headline),
        summary=escape(summary),
        reasons="".join(f"<li>{escape(reason)}" for reason in reasons),
        sections="\n".join(_section(each) for each in sections),
        footer=escape(footer),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(html, encoding="utf-8")


def _section(each: Section) -> str:
    parts = [f"<h2>{escape(each.title)}</h2>"]
    parts += [f"<p>{escape(each.words)}</p>"] if each.words else []
    parts += [f"<figure>{svg(each.figure)}</figure>"] if each.figure is not None else []
    parts += [_table(each.rows)] if each.rows else []
    return "\n".join(parts)


def svg(figure: Figure) -> str:
    """A figure as an SVG element that reads well aloud: its text stays text."""
    out = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    heads = "".join(f"<th{_align(index)}>{escape(name)}" for index, name in enumerate(rows[0]))
    body = "".join(
        "<tr>" + "".join(f"<td{_align(index)}>{escape(cell)}" for index, cell in enumerate(row.values()))
        for row in rows
    )
    return f"<div class='scroll'><table><tr>{heads}</tr>{body}</table></div>"


def _align(index: int) -> str:
    return " class='number'" if index else ""
