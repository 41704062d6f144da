"""A large bundle to load a service with: a catalogue of words, thousands of users, an untrained trie-pointer.

    python -m benchmarks.large_bundle --items 1000000 --beam 50 --out DIR

Titles are random words of kinds of products, so that items that are alike share codes. Encoder and tokenizer
are fitted on a sample and encode all items, as they do items that come later; the network is as it is before
its first step, whose cost and size do not depend on what it learned.
"""

import argparse
import itertools
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl

from data.catalogue import Catalogue
from data.interactions import SECONDS_PER_DAY, Interactions
from models.bundle import Bundle, save
from models.fitting import fit_encoder, fit_tokenizer
from models.item_encoders.tfidf import TfidfConfig
from models.recommender import FitData, Recommender
from models.recommenders.trie_pointer.recipe import TriePointer, TriePointerConfig, untrained
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from models.tokenizers.store import ItemCodes

SAMPLE, USERS, EVENTS, CHUNK = 20_000, 10_000, 50, 50_000
N_KINDS, N_WORDS = 2_000, 20_000


def main() -> None:
    """Write a bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--beam", type=int, help="prefixes kept per level; without it lists are exact")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    given = parser.parse_args()
    print(make(given.items, given.out, beam=given.beam))


def make(n_items: int, path: Path, *, n_users: int = USERS, beam: int | None = None) -> str:
    """Write a bundle of `n_items` to `path`; its digest."""
    rng = np.random.default_rng(0)
    catalogue, events = shop(n_items, rng), histories(n_items, n_users, rng)
    items = coded(catalogue, rng)
    data = FitData(events, n_items, items.vectors, items.table)
    config = TriePointerConfig(beam=beam)
    module, _ = untrained(config, data, seed=0)
    model = cast(Recommender, TriePointer.of(config, items.table, module))
    keys = [f"user-{number:07d}" for number in range(n_users)]
    return save(Bundle(model, catalogue, keys, events, {"run_id": "large"}, items), path)


def shop(n_items: int, rng: np.random.Generator) -> Catalogue:
    """Items with a title of six words, three of their kind, and a brand."""
    syllables = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
    spelled = itertools.islice(itertools.product(syllables, repeat=3), N_WORDS)
    words = np.array(["".join(parts) for parts in spelled])
    kinds = rng.integers(0, N_WORDS, (N_KINDS, 3))
    kind = rng.integers(0, N_KINDS, n_items)
    chosen = np.hstack([kinds[kind], rng.integers(0, N_WORDS, (n_items, 3))])
    titles = [" ".join(row) for row in words[chosen]]
    frame = pl.DataFrame(
        {
            "item_key": [f"item-{number:08d}" for number in range(n_items)],
            "brand": words[rng.integers(0, 500, n_items)],
            "title": titles,
        }
    )
    return Catalogue(frame, ("brand", "title"))


def histories(n_items: int, n_users: int, rng: np.random.Generator) -> Interactions:
    """Fifty events a user, one a day, half of them of a tenth of the items."""
    often = rng.integers(0, max(1, n_items // 10), (n_users, EVENTS))
    item = np.where(rng.random(often.shape) < 0.5, often, rng.integers(0, n_items, often.shape))
    days = (np.arange(EVENTS) * SECONDS_PER_DAY).tolist()
    return Interactions.from_histories(item.tolist(), [days] * n_users)


def coded(catalogue: Catalogue, rng: np.random.Generator) -> ItemCodes:
    """Vectors and codes by what was fitted on a sample."""
    n_items = len(catalogue)
    sample = np.sort(rng.choice(n_items, min(SAMPLE, n_items), replace=False))
    some = Catalogue(catalogue.frame[sample], catalogue.text_fields)
    encoder, vectors = fit_encoder(some, TfidfConfig(size=64), seed=0)
    tokenizer = fit_tokenizer(vectors, ResidualKMeansConfig(n_levels=2, codebook_size=256), seed=0)
    parts = [
        encoder.encode(Catalogue(catalogue.frame[first : first + CHUNK], catalogue.text_fields))
        for first in range(0, n_items, CHUNK)
    ]
    every = np.concatenate(parts)
    return ItemCodes(every, tokenizer, tokenizer.table(every), encoder)


if __name__ == "__main__":
    main()
