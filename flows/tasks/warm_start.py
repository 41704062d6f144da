"""Warm start: the champion's family, trained on from the weights that serve; the result is a bundle."""

import logging
from dataclasses import replace
from pathlib import Path

from flows.compute.shared_fit import TRAINED_ALONE
from flows.files import write_json
from flows.retraining.context import Context
from flows.retraining.start import IN_A_ROW, WARM_FROM, in_a_row
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from flows.tasks.tokenizer import CODES, fit_data
from flows.tasks.train import CHECKPOINT, TIMES, packed_with
from flows.tracking.progress import training_bar
from models import bundle
from models.fitting import use_threads
from models.tokenizers.store import load_codes
from models.warm_start import go_on

logger = logging.getLogger(__name__)


@step("warm-start", layers=("data", "models"), resumable=True)
def warm_start(
    run: Context,
    draft: Path,
    *,
    family: str,
    champion: Artefact,
    window: Artefact,
    codes: Artefact,
    epochs: int,
    rate_share: float,
    seed: int,
    threads: int,
) -> None:
    """Leaves bundle/, as `train` does, by one process; a killed training is resumed."""
    use_threads(threads)
    if run.config.compute.processes > 1:
        logger.warning(TRAINED_ALONE, "warm-start", run.config.compute.processes, "it is short")
    before, learn = bundle.load(champion.file("bundle")), fit_data(run, window, codes)
    here = open_window(run, window)
    checkpoint = draft / "notes" / CHECKPOINT
    checkpoint.parent.mkdir(exist_ok=True)
    length = before.recommender.config.model_copy(update={"epochs": epochs})
    with training_bar(f"{family} · warm", length) as bar:
        fitted = go_on(
            before.recommender,
            learn,
            before.catalogue.ids(here.catalogue.keys),
            epochs=epochs,
            rate_share=rate_share,
            seed=seed,
            watch=bar,
            checkpoint=checkpoint,
        )
    packed = packed_with(run, fitted.recommender, load_codes(codes.file(CODES)), here)
    origin = {WARM_FROM: champion.digest, IN_A_ROW: str(in_a_row(before) + 1)}
    bundle.save(replace(packed, lineage=packed.lineage | origin), draft / "bundle")
    write_json(draft / TIMES, {"fit_seconds": sum(epoch.seconds for epoch in fitted.history)})
    checkpoint.unlink(missing_ok=True)
