"""Problem: one data set as papers use it: windows, content vectors and semantic IDs, named by content."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.catalogue import Catalogue
from data.snapshot import Snapshot, write_snapshot
from data.sources import load as load_source
from data.sources.config import FilesConfig
from data.split import Window
from data.windows import REFITTED, TRAIN, leave_one_out
from flows import fingerprint
from flows.benchmark.config import BenchmarkConfig
from flows.benchmark.pieces import Pieces
from flows.environment import Home
from models.fitting import encode_items, fit_tokenizer
from models.recommender import FitData, Floats
from models.tokenizers.store import ItemCodes, load_codes, save_codes

logger = logging.getLogger(__name__)

MADE_BY = (
    "data.windows",
    "models.item_encoders.tfidf",
    "models.item_encoders.minilm",
    "models.tokenizers.residual_kmeans",
    "models.tokenizers.store",
)
WORDLESS_SIZE = 64


@dataclass(frozen=True)
class Problem:
    """What is learned from and asked about; windows are built when they are first looked at.

    Attributes:
        name: of the data set.
        config: the benchmark.
        snapshot: the data.
        codes: content vectors and semantic IDs of the catalogue; they see item fields only.
        has_text: whether any item is described in words; without it the vectors are random.
        digest: of everything above.
    """

    name: str
    config: BenchmarkConfig
    snapshot: Snapshot
    codes: ItemCodes
    has_text: bool
    digest: str

    @cached_property
    def valid(self) -> Window:
        """All but the last two events, asked for the last but one."""
        return leave_one_out(self.snapshot, name="valid", filters=self.config.filters)

    @cached_property
    def validation(self) -> Window:
        """The users of `valid` that tuning and early stopping ask about."""
        return self.valid.sample(self.config.validation_users, seed=self.config.seed)

    @cached_property
    def test(self) -> Window:
        """Asked for the last event, with a history that holds the validation event, by a model of `valid`."""
        return leave_one_out(self.snapshot, name="test", filters=self.config.filters, fitted_on=TRAIN)

    @cached_property
    def refitted(self) -> Window:
        """The same questions to a model that learned from the validation events as well."""
        return leave_one_out(self.snapshot, name="test", filters=self.config.filters, fitted_on=REFITTED)

    @cached_property
    def learn(self) -> FitData:
        """What a model of `valid` may learn from."""
        return self.data_of(self.valid)

    def data_of(self, window: Window) -> FitData:
        """All events of a window, for a fit."""
        return FitData(window.train, len(window.catalogue), self.codes.vectors, self.codes.table)

    def profile(self) -> dict[str, Any]:
        """Counts that papers print, to check that the data are the same."""
        manifest, valid = self.snapshot.manifest, self.valid
        return {
            "users": manifest.n_users,
            "items": manifest.n_items,
            "events": manifest.n_interactions,
            "catalogue": len(valid.catalogue),
            "train_events": len(valid.train),
            "train_targets": len(valid.train) - int((valid.train.lengths > 0).sum()),
            "validation_users": len(self.validation.query_users),
            "test_users": len(self.test.query_users),
            "snapshot": self.snapshot.digest,
        }


def open_problem(
    name: str, config: BenchmarkConfig, data: Path, home: Home, pieces: Pieces
) -> Problem | None:
    """Read a data set, encode its items and give them semantic IDs; None where nothing may be made.

    Raises:
        DataError: files are missing or break a rule.
    """
    snapshot = write_snapshot(load_source(below(config.datasets[name], data)), home.snapshots)
    content: list[Any] = [snapshot.digest, config.filters, config.encoder, config.tokenizer, config.seed]
    content += [config.threads, fingerprint.of_modules(*MADE_BY)]

    def make(draft: Path) -> dict[str, Any]:
        catalogue = leave_one_out(snapshot, name="valid", filters=config.filters).catalogue
        vectors = _vectors(catalogue, config)
        tokenizer = fit_tokenizer(vectors, config.tokenizer, seed=config.seed)
        save_codes(draft / "codes.safetensors", vectors, tokenizer, tokenizer.table(vectors))
        return {"has_text": any(catalogue.texts), "size": int(vectors.shape[1])}

    piece = pieces.get("items", content, make)
    if piece is None:
        return None
    codes = load_codes(piece.folder / "codes.safetensors")
    digest = fingerprint.of(content, config.validation_users)
    return Problem(name, config, snapshot, codes, bool(piece.result["has_text"]), digest)


def below(source: FilesConfig, data: Path) -> FilesConfig:
    """The source with its paths below the folder `data`."""
    paths = {"interactions": data / source.interactions, "items": data / source.items}
    return source.model_copy(update=paths)


def _vectors(catalogue: Catalogue, config: BenchmarkConfig) -> Floats:
    """Content vectors; random directions for items that nothing is known of, so that codes can be made."""
    if any(catalogue.texts):
        return encode_items(catalogue, config.encoder, seed=config.seed)
    logger.warning("no item has text, so content vectors and semantic IDs are random")
    drawn = np.random.default_rng(config.seed).normal(size=(len(catalogue), WORDLESS_SIZE))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)
