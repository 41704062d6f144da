"""Churn: the new semantic IDs against those of the generation that serves."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from flows.environment import Home
from flows.files import read_json, write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from flows.tasks.tokenizer import CODES
from models import bundle
from models.tokenizers.store import load_codes
from validation.drift.churn import ChurnConfig
from validation.drift.churn import churn as compare

KINDS = "fit-tokenizer-test-*"


@step("churn", layers=("data", "models", "validation"))
def churn(
    run: Context,
    draft: Path,
    *,
    champion: Artefact,
    served: Artefact,
    codes: Artefact,
    window: Artefact,
    config: ChurnConfig,
) -> None:
    """Leaves churn.json (shares of items, traffic and of each level) and findings.json (limits passed).

    Args:
        run: the retrain.
        draft: folder to fill.
        champion: whose catalogue numbers the served codes.
        served: codes of the generation that serves.
        codes: codes of the next one.
        window: the next one's training events.
        config: limits.
    """
    held = open_window(run, window)
    traffic = np.bincount(held.train.item, minlength=len(held.catalogue))
    old, new = (load_codes(each.file(CODES)).table for each in (served, codes))
    before = bundle.load(champion.file("bundle")).catalogue.keys
    found = compare(old, before, new, held.catalogue.keys, traffic)
    write_json(draft / "churn.json", asdict(found))
    write_json(draft / "findings.json", found.findings(config))


def codes_of(home: Home, generation: str) -> Artefact | None:
    """The codes of a generation, as the retrain that made them left them; None where they are gone."""
    for file in sorted(home.work.glob(f"{KINDS}/quality.json")):
        if read_json(file)["generation"] == generation:
            return Artefact(str(file.parent), generation)
    return None


def generation_of(codes: Artefact) -> str:
    """Name of a vocabulary."""
    return str(read_json(codes.file("quality.json"))["generation"])
