"""Fit tokenizer: items become vectors, vectors become semantic IDs."""

from pathlib import Path

from flows.context import Context
from flows.files import write_json
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from models.fitting import EncoderConfig, encode_items
from models.fitting import fit_tokenizer as fit
from models.recommender import FitData
from models.tokenizers.quality import quality
from models.tokenizers.residual_kmeans import TokenizerConfig
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
) -> None:
    """Leaves codes.safetensors and quality.json (collisions, use per level, reconstruction)."""
    vectors = encode_items(open_window(run, window).catalogue, encoder, seed=seed)
    fitted = fit(vectors, tokenizer, seed=seed)
    table = fitted.table(vectors)
    save_codes(draft / CODES, vectors, fitted, table)
    report = quality(table, fitted, vectors).to_dict()
    write_json(draft / "quality.json", {"generation": table.generation, **report})


def fit_data(run: Context, window: Artefact, codes: Artefact) -> FitData:
    """What a model may learn from in this window."""
    learned = open_window(run, window)
    items = load_codes(codes.file(CODES))
    return FitData(learned.train, len(learned.catalogue), items.vectors, items.table)
