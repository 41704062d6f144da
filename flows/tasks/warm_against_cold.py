"""Warm against cold: the same family, window and run, from the champion's weights and from nothing."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.files import read_json, write_json
from flows.retraining.context import Context
from flows.retraining.standings import Contender
from flows.steps import Artefact, step
from flows.tasks.evaluate import report_of
from flows.tasks.train import fit_seconds
from flows.tracking.costs import kept
from validation.gates.rules import GateConfig
from validation.gates.significance import paired_bootstrap


@step("warm-against-cold", layers=("validation",))
def warm_against_cold(run: Context, draft: Path, *, warm: Artefact, cold: Artefact, gate: GateConfig) -> None:
    """Leaves difference.json: both means of the gate's metric, warm minus cold, and its interval."""
    ours, theirs = (report_of(each).values(gate.metric) for each in (warm, cold))
    found = paired_bootstrap(ours, theirs, resamples=gate.resamples, seed=gate.seed, alpha=gate.alpha)
    means = {"metric": gate.metric, "warm": float(ours.mean()), "cold": float(theirs.mean())}
    write_json(draft / "difference.json", means | asdict(found))


def rows_of(compared: Artefact, warm: Artefact, cold: Contender) -> list[dict[str, str]]:
    """Both models as rows of text: metric, seconds of the fit, and of everything that led to it."""
    found = difference_of(compared)
    tuning = kept(Path(cold.tuned.path)).wall_seconds
    fits = {"warm": fit_seconds(warm), "cold": fit_seconds(cold.trained)}
    before = {"warm": 0.0, "cold": tuning}
    return [
        {
            "start": name,
            found["metric"]: f"{found[name]:.4f}",
            "fit s": f"{fits[name]:.1f}",
            "with tuning s": f"{before[name] + fits[name]:.1f}",
        }
        for name in fits
    ]


def sentence(compared: Artefact, rows: list[dict[str, str]]) -> str:
    """The comparison in words."""
    found = difference_of(compared)
    warm, cold = rows
    return (
        f"Warm minus cold, {found['metric']}: {found['difference']:+.4f} "
        f"[{found['low']:+.4f}, {found['high']:+.4f}] over {found['n']:,} users; fitted in {warm['fit s']} s "
        f"instead of {cold['fit s']} s, or {cold['with tuning s']} s with tuning."
    )


def difference_of(compared: Artefact) -> dict[str, Any]:
    """What was measured."""
    found: dict[str, Any] = read_json(compared.file("difference.json"))
    return found
