"""Train: a family with its best settings, on everything before the test; the result is a bundle."""

import json
import time
from pathlib import Path
from typing import Any

from data.split import Window
from flows.compute.ray_job import RayJob
from flows.compute.shared_fit import Fit, fit_together, ran_on
from flows.files import read_json, write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from flows.tasks.tokenizer import CODES, fit_data
from flows.tasks.tune import best_of
from flows.tracking.progress import epochs_of
from models import bundle
from models.bundle import Bundle
from models.families import FAMILIES
from models.fitting import can_share
from models.recommender import Recommender
from models.tokenizers.store import ItemCodes, load_codes

CHECKPOINT = "checkpoint.safetensors"
TIMES = "notes/times.json"
RAN_ON = "notes/ran_on.json"


@step("train", layers=("data", "models"), resumable=True)
def train(
    run: Context,
    draft: Path,
    *,
    family: str,
    settings: dict[str, Any],
    best: Artefact,
    window: Artefact,
    codes: Artefact,
    seed: int,
    threads: int,
    processes: int,
) -> None:
    """Leaves bundle/. Trains for as many epochs as were best in tuning; a killed training is resumed.

    `processes` train together, each with `threads`; where they run, `[compute] ray`, changes no number.
    """
    found, learn = best_of(best), fit_data(run, window, codes)
    checkpoint = draft / "notes" / CHECKPOINT
    checkpoint.parent.mkdir(exist_ok=True)
    started = time.perf_counter()
    chosen = settings | found["params"]
    fit = Fit(family, chosen, seed, threads, found["epochs"] or None)
    with epochs_of(family, None, FAMILIES[family].config(**chosen)) as bar:
        if run.config.compute.ray and can_share(family):
            job = RayJob(run, fit, window, codes, processes, run.config.compute.ray)
            fitted = job.submit(watch=bar, checkpoint=checkpoint)
        else:
            fitted = fit_together(fit, learn, processes=processes, watch=bar, checkpoint=checkpoint)
    seconds = sum(epoch.seconds for epoch in fitted.history) or time.perf_counter() - started
    items = load_codes(codes.file(CODES))
    bundle.save(packed_with(run, fitted.recommender, items, open_window(run, window)), draft / "bundle")
    write_json(draft / TIMES, {"fit_seconds": seconds})
    write_json(draft / RAN_ON, ran_on(run.config.compute, family, processes))
    checkpoint.unlink(missing_ok=True)


def fit_seconds(trained: Artefact) -> float:
    """Wall time of a training; 0.0 where it is not known."""
    times = trained.file(TIMES)
    return float(read_json(times)["fit_seconds"]) if times.exists() else 0.0


def bundle_digest(trained: Artefact) -> str:
    """Digest of the bundle in an artefact."""
    return bundle.digest(trained.file("bundle"))


def packed_with(run: Context, recommender: Recommender, items: ItemCodes, window: Window) -> Bundle:
    """A recommender with the items and the users of the window that it learned from."""
    lineage = {
        "snapshot": run.snapshot.digest,
        "generation": items.table.generation,
        "protocol": json.dumps({"split": window.protocol.split, "cutoff": window.protocol.cutoff}),
    }
    return Bundle(recommender, window.catalogue, window.user_keys, window.train, lineage, items)
