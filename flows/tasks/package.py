"""Package: the bundle becomes a Bento."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.retraining.context import Context
from flows.steps import Artefact
from flows.tasks.train import bundle_digest
from serving import bento


@task(name="package", retries=1, retry_delay_seconds=2, cache_policy=NO_CACHE)
def package(run: Context, trained: Artefact) -> Artefact:
    """The Bento's `src` folder, which holds bundle/; one that was built before is found again."""
    built = bento.build(trained.file("bundle"), home=run.home.bentos, lineage={"run_id": run.run_id})
    return Artefact(str(built.path / "src"), bundle_digest(trained))


def tag_of(packed: Artefact) -> str:
    """Tag of the Bento whose `src` folder this is."""
    version = Path(packed.path).parent
    return f"{version.parent.name}:{version.name}"
