"""Retrain: from a source of events to a promoted, or refused, recommender."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from prefect import flow

from data.snapshot import open_snapshot
from flows import devices
from flows.config import load
from flows.environment import home
from flows.record.promotion import pointed
from flows.retraining.case import Case
from flows.retraining.compete import beside, compete, score
from flows.retraining.context import Context
from flows.retraining.moved import promised_by
from flows.retraining.standings import Contender, Standing, standings
from flows.retraining.start import start_of
from flows.steps import Artefact
from flows.tasks.audit import audit
from flows.tasks.check_gate import check_gate
from flows.tasks.churn import churn, codes_of, generation_of
from flows.tasks.conclude import conclude
from flows.tasks.drift import drift, reference_of
from flows.tasks.ingest import ingest
from flows.tasks.judge import judge, verdict_of
from flows.tasks.limits import limits
from flows.tasks.package import package, tag_of
from flows.tasks.promote import champion_of, promote, refuse
from flows.tasks.prove import ProofFailed, latency_of, prove
from flows.tasks.publish import publish
from flows.tasks.split import split
from flows.tasks.tokenizer import fit_tokenizer
from flows.tasks.train import bundle_digest
from flows.tasks.validate import pages, previous_of, today, validate
from flows.tasks.warm_against_cold import rows_of, sentence
from flows.tracking.recording import recorded

Ending = Literal["promoted", "unchanged", "refused"]
Kept = tuple[Artefact | None, Artefact | None]
"""Codes to keep and the champion whose catalogue they are of; nothing where codes are learned anew."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a retrain ended in.

    Attributes:
        ending: promoted; unchanged, where the champion was found again; or refused.
        challenger: family with the best validation metric.
        lines: every family and the champion on the test window.
        reasons: of the verdict, most important first.
        latency: milliseconds by mode of the proof; empty without one.
        bento: tag, "" if none was built.
        run_id: MLflow's parent run.
        report: page about the data.
        page: page about the run.
        start: what the champion's family started from, and how that compares; empty where cold was asked for.
    """

    ending: Ending
    challenger: str
    lines: list[Standing]
    reasons: tuple[str, ...]
    latency: dict[str, dict[str, float]]
    bento: str
    run_id: str
    report: str
    page: str
    start: tuple[str, ...]


@flow(name="retrain", flow_run_name="retrain {config_file}")
def retrain(config_file: str, forced: str = "", trigger: str = "by hand") -> Outcome:
    """Read this function to know what the system does.

    Args:
        config_file: a complete run as TOML.
        forced: why the challenger is promoted whatever the gate says; empty where the gate decides. What
            does not answer as it was evaluated is not promoted for any reason.
        trigger: what started it, in words.
    """
    config = load(Path(config_file))
    devices.require(config.families.values())
    snapshot = open_snapshot(Path(ingest(config.source, home()).path))
    config = config.at(snapshot.manifest.last_timestamp)
    with recorded(config, home(), snapshot, trigger) as run:
        checked = _validate(run)
        champion = champion_of(run.home)
        drifted = _drift(run, champion)
        past, now = (_split(run, name) for name in ("valid", "test"))
        # Tuning always learns codes of its own: those that serve may have seen what it is asked about.
        anew, kept = (None, None), _kept(run, champion)
        codes_then, codes = _codes(run, "valid", past, anew), _codes(run, "test", now, kept)
        audits = [_audit(run, "valid", past, codes_then, anew), _audit(run, "test", now, codes, kept)]
        start = start_of(config, run.home, champion, snapshot.digest)
        field = [compete(run, each, past, codes_then, now, codes, start) for each in config.families]
        warm = beside(run, field, now, codes, start)
        best = max(field, key=lambda each: each.valid)
        reigning = None if champion is None else score(run, "champion", champion, now)
        others = [each.scored for each in field if each is not best]
        checks = [_check_gate(run, best, others, now), _limits(run, best, champion, reigning)]
        checks += _churn(run, champion, codes, now)
        judged = judge(
            run=run,
            challenger=best.scored,
            champion=reigning,
            baselines=others,
            checks=checks,
            gate=config.gate,
        )
        lines = standings(field, reigning, config.gate.metric, warm)
        publish(run, field, lines, judged, codes, [past, now], best.family)
        first = [checked, drifted, past, now, codes_then, codes, *audits]
        beside_it = warm.steps if warm else ()
        steps = [*first, *chain(*(each.steps for each in field)), *beside_it, reigning, *checks, judged]
        case = Case(field, best, champion, judged, now, lines, drifted, _made(steps), start.why, warm)
        return _deliver(run, case, forced)


def _made(steps: list[Artefact | None]) -> list[Artefact]:
    return [step for step in steps if step is not None]


def _validate(run: Context) -> Artefact:
    before = previous_of(run.home, open_snapshot(Path(run.snapshot.path)))
    previous = None if before is None else Artefact(str(before.path), before.digest)
    config = run.config.validation
    return validate(run=run, snapshot=run.snapshot, previous=previous, config=config, day=today())


def _drift(run: Context, champion: Artefact | None) -> Artefact | None:
    """None before the first promotion, on the champion's own data, and where these are gone."""
    config, release = run.config, pointed(run.home.pointer)
    before = None if release is None else reference_of(run.home, release.snapshot)
    if champion is None or before is None or before.digest == run.snapshot.digest:
        return None
    return drift(
        run=run,
        snapshot=run.snapshot,
        reference=Artefact(str(before.path), before.digest),
        champion=champion,
        promised=promised_by(run.home, champion.digest, config.gate.metric),
        gate=config.gate,
        filters=config.filters,
        config=config.drift,
    )


def _split(run: Context, name: str) -> Artefact:
    config = run.config
    return split(run=run, snapshot=run.snapshot, name=name, windows=config.windows, filters=config.filters)


def _served(run: Context) -> Artefact | None:
    """Codes of the generation that serves; None before the first promotion, and where they are gone."""
    release = pointed(run.home.pointer)
    return None if release is None else codes_of(run.home, release.generation)


def _kept(run: Context, champion: Artefact | None) -> Kept:
    """Codes that serve and the champion they belong to, where the config says that they are kept."""
    if not run.config.churn.keep_codes or champion is None:
        return None, None
    served = _served(run)
    if served is None:
        raise ValueError(
            f"keep_codes needs the codes that serve, but they are gone from {run.home.work}: restore them or "
            "set keep_codes = false once."
        )
    return served, champion


def _audit(run: Context, name: str, window: Artefact, codes: Artefact, kept: Kept) -> Artefact:
    config, (served, champion) = run.config, kept
    return audit(
        run=run,
        name=name,
        snapshot=run.snapshot,
        window=window,
        codes=codes,
        filters=config.filters,
        encoder=config.encoder,
        tokenizer=config.tokenizer,
        served=served,
        champion=champion,
        seed=config.seed,
        threads=config.threads,
    )


def _codes(run: Context, name: str, window: Artefact, kept: Kept) -> Artefact:
    config, (served, champion) = run.config, kept
    return fit_tokenizer(
        run=run,
        name=name,
        window=window,
        encoder=config.encoder,
        tokenizer=config.tokenizer,
        served=served,
        champion=champion,
        seed=config.seed,
        threads=config.threads,
    )


def _churn(run: Context, champion: Artefact | None, codes: Artefact, window: Artefact) -> list[Artefact]:
    """Empty before the first promotion, for the same codes, and where those that serve are gone."""
    served = _served(run)
    if champion is None or served is None or served.digest == generation_of(codes):
        return []
    config = run.config.churn
    return [churn(run=run, champion=champion, served=served, codes=codes, window=window, config=config)]


def _check_gate(run: Context, best: Contender, others: list[Artefact], window: Artefact) -> Artefact:
    config = run.config
    return check_gate(
        run=run,
        model=best.trained,
        scored=best.scored,
        others=others,
        window=window,
        gate=config.gate,
        seed=config.seed,
        threads=config.threads,
    )


def _limits(run: Context, best: Contender, champion: Artefact | None, reigning: Artefact | None) -> Artefact:
    return limits(
        run=run,
        model=best.trained,
        scored=best.scored,
        champion=champion,
        reigning=reigning,
        config=run.config.limits,
    )


def _deliver(run: Context, case: Case, forced: str) -> Outcome:
    """Package, prove and promote what the gate lets pass; the champion found again passes too."""
    verdict, champion, best = verdict_of(case.judged), case.champion, case.best
    reasons, proof = verdict.reasons, None
    same = champion is not None and champion.digest == bundle_digest(best.trained)
    if same:
        reasons = ("The challenger is the champion itself: the same bundle.", *reasons)
    if forced and not (verdict.promote or same):
        reasons = (f"Forced against the gate: {forced}", *reasons)
    ending: Ending = "refused"
    tag = ""
    if verdict.promote or same or forced:
        bento = package(run, best.trained)
        tag = tag_of(bento)
        try:
            proof = _prove(run, case, bento)
            promote(run, bento, case.judged, reasons[0])
            known = champion is not None and tag_of(champion) == tag
            ending = "unchanged" if known else "promoted"
        except ProofFailed as failure:
            reasons = (str(failure), *reasons)
    if ending == "refused":
        refuse(run, best.trained, tag, case.judged, reasons[0])
    page = conclude(run, case, ending, reasons, tag, proof)
    latency = {} if proof is None else latency_of(proof)
    checked = str(pages(run.home, run.snapshot.digest) / "report.html")
    lines, started = list(case.lines), _start_words(case)
    return Outcome(ending, best.family, lines, reasons, latency, tag, run.run_id, checked, page, started)


def _prove(run: Context, case: Case, bento: Artefact) -> Artefact:
    config = run.config
    return prove(
        run=run,
        bento=bento,
        window=case.window,
        scored=case.best.scored,
        metric=config.gate.metric,
        config=config.prove,
    )


def _start_words(case: Case) -> tuple[str, ...]:
    if case.warm is None:
        return (case.start,) if case.start else ()
    rows = rows_of(case.warm.compared, case.warm.trained, case.warm.cold)
    return case.start, sentence(case.warm.compared, rows)
