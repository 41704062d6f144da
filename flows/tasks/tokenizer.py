"""Fit tokenizer: items become vectors, vectors become semantic IDs."""

from pathlib import Path

from flows.context import Context
from flows.files import write_json
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from models.fitting import fit_codes, use_threads
from models.item_encoders.encoders import EncoderConfig
from models.recommender import FitData
from models.tokenizers.kinds import TokenizerConfig
from models.tokenizers.quality import quality
from models.tokenizers.store import load_codes, save_codes

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
    seed: int,
    threads: int,
) -> None:
    """Leaves codes.safetensors and quality.json (collisions, use per level, reconstruction)."""
    use_threads(threads)
    learned = open_window(run, window)
    codes = fit_codes(learned.catalogue, learned.train, encoder, tokenizer, seed=seed)
    save_codes(draft / CODES, codes)
    report = quality(codes.table, codes.tokenizer, codes.vectors).to_dict()
    head = {"generation": codes.table.generation, "kind": tokenizer.kind}
    write_json(draft / "quality.json", {**head, **report})


def fit_data(run: Context, window: Artefact, codes: Artefact) -> FitData:
    """What a model may learn from in this window."""
    learned = open_window(run, window)
    items = load_codes(codes.file(CODES))
    return FitData(learned.train, len(learned.catalogue), items.vectors, items.table)
