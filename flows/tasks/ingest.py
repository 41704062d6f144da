"""Ingest: the source becomes a snapshot. Always run, because only reading tells whether a source changed."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from data.snapshot import write_snapshot
from data.sources import load
from data.sources.config import SourceConfig
from flows.environment import Home
from flows.steps import Artefact


@task(name="ingest", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def ingest(source: SourceConfig, home: Home) -> Artefact:
    """Read the source whole; the same content gives the same snapshot."""
    snapshot = write_snapshot(load(source), home.snapshots)
    return Artefact(str(snapshot.path), snapshot.digest)
