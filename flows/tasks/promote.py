"""Promote: registry alias, serving pointer and ledger move together, or the refusal is recorded."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.environment import Home, who
from flows.files import read_json
from flows.record.ledger import Ledger
from flows.record.promotion import Promotions
from flows.record.release import Release
from flows.retraining.context import Context
from flows.steps import Artefact
from flows.tasks.package import tag_of
from flows.tracking.tracker import Tracker
from models import bundle


@task(name="promote", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def promote(run: Context, packed: Artefact, judged: Artefact, reason: str) -> Release:
    """Register the bundle and make its Bento the champion."""
    loaded = bundle.load(packed.file("bundle"))
    tags = {"family": loaded.recommender.family, "snapshot": run.snapshot.digest, "bento": tag_of(packed)}
    version = run.tracker.register(run.run_id, packed.file("bundle"), packed.digest, tags)
    release = _release(run, packed.file("bundle"), packed.digest, tag_of(packed), version)
    return records(run.home).promote(
        release, who=who(), verdict=read_json(judged.file("verdict.json")), reason=reason
    )


@task(name="refuse", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def refuse(run: Context, trained: Artefact, tag: str, judged: Artefact, reason: str) -> None:
    """Record that a challenger was turned down; `tag` is "" where it was not packaged."""
    folder = trained.file("bundle")
    release = _release(run, folder, bundle.digest(folder), tag, "")
    verdict = read_json(judged.file("verdict.json"))
    records(run.home).refuse(release, who=who(), verdict=verdict, reason=reason)


def records(home: Home) -> Promotions:
    """The three records of a project."""
    return Promotions(home, Ledger(home.ledger_url), Tracker.at(home))


def champion_of(home: Home) -> Artefact | None:
    """The bundle in production, after what a crash left half done was finished; None before the first."""
    promotions = records(home)
    promotions.heal()
    release = promotions.champion()
    if release is None:
        return None
    return Artefact(str(Path(release.bundle_path).parent), release.bundle)


def _release(run: Context, folder: Path, digest: str, tag: str, version: str) -> Release:
    packed = bundle.load(folder)
    return Release(
        bento=tag,
        bundle=digest,
        bundle_path=str(folder),
        version=version,
        family=packed.recommender.family,
        run_id=run.run_id,
        snapshot=packed.lineage["snapshot"],
        generation=packed.lineage["generation"],
    )
