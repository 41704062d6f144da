"""Data verdict: what the checks of a snapshot found, small enough to hand between steps."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check.

    Attributes:
        name: of the check, as `ValidationConfig.severities` knows it; " (sample)" is appended where it ran on
            a sample only.
        table: "interactions", "items" or "snapshot".
        severity: whether a failure stops the flow.
        passed: the result.
        expected: the rule in words.
        observed: what came, in words and numbers.
        rows: rows that were looked at; 0 for a check of a table as a whole.
        offending: rows that break the rule.
    """

    name: str
    table: str
    severity: Severity
    passed: bool
    expected: str
    observed: str
    rows: int = 0
    offending: int = 0


@dataclass(frozen=True, slots=True)
class DataVerdict:
    """Whether a snapshot may be learned from.

    Attributes:
        passed: no critical check failed.
        snapshot: its digest.
        mode: "full", or "profile and sample" past `ValidationConfig.full_rows`.
        checks: all results, in the order of the report.
        offending_rows: Parquet file with the rows that broke a rule, its column `failed_check` says which;
            None where no row did.
        docs: the first page of Great Expectations' Data Docs.
        report: our page for people.
    """

    passed: bool
    snapshot: str
    mode: str
    checks: tuple[CheckResult, ...]
    offending_rows: Path | None
    docs: Path
    report: Path

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Critical checks that failed."""
        return tuple(c for c in self.checks if not c.passed and c.severity == "critical")

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """Other checks that failed; they are only reported."""
        return tuple(c for c in self.checks if not c.passed and c.severity == "warning")

    def message(self) -> str:
        """One line for a log or an exception: what failed, what came, where to look."""
        head = f"snapshot {self.snapshot[:12]}: {len(self.checks)} checks of the data must pass"
        if not self.failed:
            return f"{head}: they do, with {len(self.warnings)} warnings: see {self.report}."
        worst = "; ".join(f"{c.name} ({c.expected}; {c.observed})" for c in self.failed)
        rows = "" if self.offending_rows is None else f" (offending rows: {self.offending_rows})"
        return f"{head}, but {len(self.failed)} failed: {worst}: correct the source{rows}, see {self.report}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; paths as text."""
        plain = asdict(self)
        for name in ("offending_rows", "docs", "report"):
            plain[name] = None if plain[name] is None else str(plain[name])
        return plain
