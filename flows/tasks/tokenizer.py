"""Fit tokenizer: items become vectors, vectors become semantic IDs."""

import json
import logging
from pathlib import Path

from data.split import Window
from flows.files import write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from models import bundle
from models.fitting import fit_codes, fit_encoder, use_threads
from models.item_encoders.encoders import EncoderConfig
from models.recommender import FitData
from models.tokenizers.keep import keep_codes
from models.tokenizers.kinds import TokenizerConfig
from models.tokenizers.quality import quality
from models.tokenizers.store import ItemCodes, load_codes, save_codes

logger = logging.getLogger(__name__)

CODES = "codes.safetensors"


@step("fit-tokenizer", layers=("data", "models"))
def fit_tokenizer(
    run: Context,
    draft: Path,
    *,
    name: str,
    window: Artefact,
    encoder: EncoderConfig,
    tokenizer: TokenizerConfig,
    served: Artefact | None,
    champion: Artefact | None,
    seed: int,
    threads: int,
) -> None:
    """Leaves codes.safetensors, the item encoder and quality.json (collisions, use, reconstruction).

    With `served`, codes of the `champion`'s catalogue, these are taken over, and only new items get some.
    """
    use_threads(threads)
    codes = codes_for(
        open_window(run, window), encoder, tokenizer, served=served, champion=champion, seed=seed
    )
    save_codes(draft / CODES, codes)
    report = quality(codes.table, codes.tokenizer, codes.vectors).to_dict()
    head = {"generation": codes.table.generation, "kind": tokenizer.kind}
    write_json(draft / "quality.json", {**head, **report})


def codes_for(
    window: Window,
    encoder: EncoderConfig,
    tokenizer: TokenizerConfig,
    *,
    served: Artefact | None,
    champion: Artefact | None,
    seed: int,
) -> ItemCodes:
    """Codes of a window: fitted on it, or with `served` those of the `champion`'s catalogue, kept.

    Raises:
        ValueError: the codes to keep are of another tokenizer, or learned from what this window must predict.
    """
    if served is None or champion is None:
        return fit_codes(window.catalogue, window.train, encoder, tokenizer, seed=seed)
    before, packed = load_codes(served.file(CODES)), bundle.load(champion.file("bundle"))
    if before.tokenizer.config != tokenizer:
        raise ValueError(
            f"keep_codes needs the tokenizer that serves ({before.tokenizer.config!r}), but got "
            f"{tokenizer!r}: set keep_codes = false for the run that changes it."
        )
    cutoff = json.loads(packed.lineage["protocol"])["cutoff"]
    if cutoff > window.protocol.cutoff:
        raise ValueError(
            f"Codes are kept going forward in time, but those that serve were learned up to {cutoff} (Unix "
            f"seconds), after this window's {window.protocol.cutoff}: move test_cutoff, or set "
            "keep_codes = false."
        )
    encodes, vectors = fit_encoder(window.catalogue, encoder, seed=seed, events=window.train)
    kept = keep_codes(before, vectors, packed.catalogue.ids(window.catalogue.keys), encodes)
    logger.info("event=codes_kept shared=%s items=%s fit=%.3f", kept.shared, len(vectors), kept.fit)
    return kept.codes


def fit_data(run: Context, window: Artefact, codes: Artefact) -> FitData:
    """What a model may learn from in this window."""
    learned = open_window(run, window)
    items = load_codes(codes.file(CODES))
    return FitData(learned.train, len(learned.catalogue), items.vectors, items.table)
