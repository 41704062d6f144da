"""Suite: checks run by Great Expectations on pandas frames, and its Data Docs written to disk.

The only file that imports Great Expectations, and only when a suite runs: it costs 5 s and 270 MB.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from validation.snapshot.expectations import Check
from validation.snapshot.verdict import CheckResult

logger = logging.getLogger(__name__)

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """A frame and what is asked of it.

    Attributes:
        name: of the suite in the Data Docs.
        frame: pandas; held in memory while the suite runs.
        checks: with unique names; each `needs` only columns of `frame`.
    """

    name: str
    frame: pd.DataFrame
    checks: Sequence[Check]


def run_suites(batches: Sequence[Batch], docs: Path) -> dict[str, CheckResult]:
    """Validate every batch and write Data Docs to the folder `docs`, replacing what is there.

    Returns:
        Check name to its result. A check that Great Expectations could not compute has failed.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    shutil.rmtree(docs, ignore_errors=True)
    docs.mkdir(parents=True)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    site = context.get_site_names()[0]  # an ephemeral context has one, in a temporary folder
    context.update_data_docs_site(site_name=site, site_config=_site(docs))
    source = context.data_sources.add_pandas("snapshot")
    results: dict[str, CheckResult] = {}
    for batch in batches:
        definition = _definition(context, source, batch)
        found = definition.run(batch_parameters={"dataframe": batch.frame}, result_format="SUMMARY")
        by_name = {check.name: check for check in batch.checks}
        results |= {r.name: r for r in (_result(by_name, each.to_json_dict()) for each in found.results)}
        logger.info("validated batch=%s rows=%d passed=%s", batch.name, len(batch.frame), found.success)
    context.build_data_docs(site_names=[site])
    return results


def _definition(context: Any, source: Any, batch: Batch) -> Any:
    """A suite, its batch and both together, named by the batch."""
    import great_expectations as gx

    suite = context.suites.add(gx.ExpectationSuite(name=batch.name))
    for check in batch.checks:
        expectation = getattr(gx.expectations, check.expectation)
        arguments = {**check.arguments, "severity": check.severity}
        suite.add_expectation(expectation(**arguments, meta={"check": check.name}, notes=check.expected))
    asset = source.add_dataframe_asset(batch.name)
    whole = asset.add_batch_definition_whole_dataframe("all rows")
    return context.validation_definitions.add(
        gx.ValidationDefinition(name=batch.name, data=whole, suite=suite)
    )


def _site(docs: Path) -> Any:
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
    }


def _result(checks: Mapping[str, Check], found: Mapping[str, Any]) -> CheckResult:
    """Ours from Great Expectations' result as plain JSON."""
    check = checks[found["expectation_config"]["meta"]["check"]]
    result = found["result"]
    return CheckResult(
        name=check.name,
        table=check.table,
        severity=check.severity,
        passed=bool(found["success"]),
        expected=check.expected,
        observed=_observed(found),
        rows=int(result.get("element_count", 0)),
        offending=int(result.get("unexpected_count", 0)),
    )


def _observed(found: Mapping[str, Any]) -> str:
    result = found["result"]
    if message := _exception(found["exception_info"]):
        return f"not computed: {message}"
    if "element_count" in result:
        return _rows(result["unexpected_count"], result["element_count"], result)
    value = result.get("observed_value")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return (
        "nothing"
        if value is None
        else f"{value:,.4g}"
        if isinstance(value, float) and value % 1
        else f"{value:,.0f}"
    )


def in_words(offending: int, rows: int) -> str:
    """How many of the rows break a rule."""
    return f"{offending:,} of {rows:,} rows break it" if offending else f"none of {rows:,} rows breaks it"


def _rows(offending: int, rows: int, result: Mapping[str, Any]) -> str:
    counted = in_words(offending, rows)
    examples = [value for value in result.get("partial_unexpected_list", []) if _tells_something(value)]
    distinct = list(dict.fromkeys(map(_shown, examples)))[:EXAMPLES]
    return counted + (f", e.g. {', '.join(distinct)}" if distinct else "")


def _tells_something(value: Any) -> bool:
    return value is not None and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(map(_shown, value.values())) + ")"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # pandas makes floats of whole numbers beside a null
    return repr(value)


def _exception(info: Mapping[str, Any]) -> str:
    """The first line of what Great Expectations could not do; empty where it could."""
    nested = [info] if "raised_exception" in info else list(info.values())
    raised = [each["exception_message"] for each in nested if each["raised_exception"]]
    return str(raised[0]).splitlines()[0] if raised else ""
