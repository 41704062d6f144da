"""Validate: a snapshot against its expectations; leaves a verdict, offending rows and pages."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from data import profile
from data.interactions import SECONDS_PER_DAY
from data.snapshot import Snapshot
from validation.snapshot.expectations import (
    EVENTS,
    FACTS,
    ITEMS,
    SCHEMA,
    Check,
    ValidationConfig,
    checks_of,
    from_profile,
)
from validation.snapshot.report import write_report
from validation.snapshot.suite import Batch, in_words, run_suites
from validation.snapshot.verdict import CheckResult, DataVerdict

logger = logging.getLogger(__name__)

SAMPLE = " (sample)"
Counts = dict[str, tuple[int, int]]
"""Rule to the rows that were looked at and those that break it."""


def validate(
    snapshot: Snapshot,
    previous: Snapshot | None,
    config: ValidationConfig,
    out: Path,
    *,
    now: int | None = None,
) -> DataVerdict:
    """Check `snapshot` with Great Expectations.

    Up to `config.full_rows` events every row is validated. Past that a profile, in which the rows that break
    a rule were counted on disk, is validated, and besides a sample of whole users.

    Args:
        snapshot: what is about to be learned from.
        previous: the one before it, for the volume; None for the first.
        config: thresholds and severities.
        out: folder for `report.html`, `data_docs/` and, where rows break rules, `offending_rows.parquet`.
        now: Unix seconds UTC, for freshness and times in the future; None for the clock.

    Returns:
        The verdict. Nothing is raised for bad data: the flow decides (`DataVerdict.passed`, `.message()`).
    """
    now = int(time.time()) if now is None else now
    out.mkdir(parents=True, exist_ok=True)
    facts = _facts(snapshot, previous, now)
    columns = profile.usable_columns(snapshot)
    checks = checks_of(config, now=now, compared=previous is not None, columns=columns)
    full = facts["n_interactions"] <= config.full_rows
    counts = None if full else _counts(snapshot, config, now)
    batches = _batches(snapshot, checks, facts, config, counts)
    found = run_suites([replace(b, checks=_runnable(b)) for b in batches], out / "data_docs")
    every = [found.get(check.name) or _not_run(check) for batch in batches for check in batch.checks]
    results = tuple(_with_counts(result, counts or {}) for result in every)
    verdict = DataVerdict(
        passed=all(result.passed or result.severity != "critical" for result in results),
        snapshot=snapshot.digest,
        mode="full" if full else "profile and sample",
        checks=results,
        offending_rows=_keep_offending(snapshot, results, config, now, out / "offending_rows.parquet"),
        docs=out / "data_docs" / "index.html",
        report=out / "report.html",
    )
    write_report(verdict, snapshot.manifest, verdict.report, now=now)
    logger.log(logging.INFO if verdict.passed else logging.ERROR, "%s", verdict.message())
    return verdict


def _counts(snapshot: Snapshot, config: ValidationConfig, now: int) -> Counts:
    table = profile.profile(snapshot, config.bounds(now))
    return {name: (rows, offending) for name, rows, offending in table.iter_rows()}


def _facts(snapshot: Snapshot, previous: Snapshot | None, now: int) -> dict[str, float]:
    """The numbers of the tables as a whole, by the columns that the checks name."""
    facts = profile.facts(snapshot)
    facts["newest_age_days"] = (now - facts["last_timestamp"]) / SECONDS_PER_DAY
    if previous is not None:
        before = max(previous.manifest.n_interactions, 1)
        facts["rows_relative_to_previous"] = facts["n_interactions"] / before
    return facts


def _batches(
    snapshot: Snapshot,
    checks: list[Check],
    facts: dict[str, float],
    config: ValidationConfig,
    counts: Counts | None,
) -> list[Batch]:
    """Every check with the frame that it looks at; the rows themselves where nothing was counted."""
    types = {f"{t}.{c}": dtype for t in (EVENTS, ITEMS) for c, dtype in profile.types(snapshot, t).items()}
    batches = [
        Batch(SCHEMA, pd.DataFrame([types]), _of(checks, SCHEMA)),
        Batch(FACTS, pd.DataFrame([facts]), _of(checks, FACTS)),
    ]
    if counts is None:
        rows = {table: profile.checked_rows(snapshot, table).to_pandas() for table in (EVENTS, ITEMS)}
        return [*batches, *(Batch(table, frame, _of(checks, table)) for table, frame in rows.items())]
    counted = [from_profile(check) for check in (*_of(checks, EVENTS), *_of(checks, ITEMS))]
    on_sample = [replace(check, name=check.name + SAMPLE) for check in _of(checks, EVENTS)]
    sample = profile.checked_rows(snapshot, EVENTS, rows=config.sample_rows).to_pandas()
    wide = pd.DataFrame([{name: offending for name, (_, offending) in counts.items()}])
    return [*batches, Batch("profile", wide, counted), Batch("sample", sample, on_sample)]


def _of(checks: Iterable[Check], frame: str) -> list[Check]:
    return [check for check in checks if check.frame == frame]


def _runnable(batch: Batch) -> list[Check]:
    return [check for check in batch.checks if set(check.needs) <= set(batch.frame.columns)]


def _not_run(check: Check) -> CheckResult:
    observed = "not checked: a column it needs is missing or of the wrong type"
    return CheckResult(check.name, check.table, check.severity, False, check.expected, observed)


def _with_counts(result: CheckResult, counts: Counts) -> CheckResult:
    """What a profile counted, in the words of a full check."""
    if result.name not in counts:
        return result
    rows, offending = counts[result.name]
    return replace(result, rows=rows, offending=offending, observed=in_words(offending, rows))


def _keep_offending(
    snapshot: Snapshot, results: Iterable[CheckResult], config: ValidationConfig, now: int, file: Path
) -> Path | None:
    """Write the rows that broke a rule, or remove what an earlier run left."""
    file.unlink(missing_ok=True)
    failed = [result.name.removesuffix(SAMPLE) for result in results if not result.passed]
    rows = profile.offending_rows(snapshot, failed, config.bounds(now), limit=config.max_offending_rows)
    if not len(rows):
        return None
    rows.write_parquet(file)
    return file
