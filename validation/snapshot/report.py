"""Data report: the verdict on a snapshot as one self-contained page, readable at a glance.

Great Expectations' own pages load their styles from a CDN and are bare without a network.
"""

from datetime import UTC, datetime
from html import escape
from pathlib import Path

from data.snapshot import Manifest
from validation.page import template
from validation.snapshot.verdict import CheckResult, DataVerdict

TITLES = {"snapshot": "Snapshot", "interactions": "Interactions", "items": "Items"}


def write_report(verdict: DataVerdict, manifest: Manifest, file: Path, *, now: int) -> None:
    """Write the page to `file`; `now` is Unix seconds UTC."""
    light, headline = _light(verdict)
    file.write_text(
        template("report", __package__ or "").substitute(
            light=light,
            headline=escape(headline),
            summary=escape(_summary(verdict)),
            cards="".join(_card(name, value) for name, value in _numbers(manifest)),
            problems=_problems(verdict),
            tables="".join(_table(name, verdict) for name in TITLES),
            mode=escape(verdict.mode),
            docs=escape(verdict.docs.relative_to(file.parent).as_posix()),
            source=escape(manifest.source),
            digest=escape(verdict.snapshot[:12]),
            checked=_when(now),
        ),
        encoding="utf-8",
    )


def _light(verdict: DataVerdict) -> tuple[str, str]:
    if not verdict.passed:
        return "red", "Stop: this snapshot must not be learned from"
    if verdict.warnings:
        return "amber", "Go, with warnings"
    return "green", "Go: every check passed"


def _summary(verdict: DataVerdict) -> str:
    n_warnings = len(verdict.warnings)
    good = sum(check.passed for check in verdict.checks)
    parts = [f"{good} of {len(verdict.checks)} checks passed"]
    parts += [f"{len(verdict.failed)} critical failed"] * bool(verdict.failed)
    parts += [f"{n_warnings} warning{'s' * (n_warnings > 1)}"] * bool(n_warnings)
    return ", ".join(parts)


def _numbers(manifest: Manifest) -> list[tuple[str, str]]:
    first, last = (_when(t)[:10] for t in (manifest.first_timestamp, manifest.last_timestamp))
    return [
        ("events", f"{manifest.n_interactions:,}"),
        ("users", f"{manifest.n_users:,}"),
        ("items", f"{manifest.n_items:,}"),
        ("items with events", f"{manifest.n_items_seen:,}"),
        ("time range", f"{first} to {last}"),
    ]


def _card(name: str, value: str) -> str:
    return f"<div class=card><b>{escape(value)}</b><span>{escape(name)}</span></div>"


def _problems(verdict: DataVerdict) -> str:
    """What failed, before everything else; nothing where nothing did."""
    found = [*verdict.failed, *verdict.warnings]
    if not found:
        return ""
    rows = "".join(
        f"<li>{_badge(c)}<span><b>{escape(c.expected)}</b>: {escape(c.observed)}</span></li>" for c in found
    )
    kept = ""
    if verdict.offending_rows is not None:
        name = escape(verdict.offending_rows.name)
        kept = f'<p>The rows are in <a href="{name}">{name}</a>; its column failed_check names the rule.</p>'
    return f"<section class=problems><h2>What to look at</h2><ul>{rows}</ul>{kept}</section>"


def _table(table: str, verdict: DataVerdict) -> str:
    rows = "".join(_row(check) for check in verdict.checks if check.table == table)
    heads = "<th>check<th>expected<th>observed<th>verdict"
    return f"<h2>{TITLES[table]}</h2><div class=scroll><table><tr>{heads}</tr>{rows}</table></div>"


def _row(check: CheckResult) -> str:
    cells = f"<td><code>{escape(check.name)}</code><td>{escape(check.expected)}<td>{escape(check.observed)}"
    return f"<tr>{cells}<td>{_badge(check)}</tr>"


def _badge(check: CheckResult) -> str:
    kind, word = ("red", "failed") if check.severity == "critical" else ("amber", "warning")
    return (
        '<span class="badge green">passed</span>'
        if check.passed
        else f'<span class="badge {kind}">{word}</span>'
    )


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
