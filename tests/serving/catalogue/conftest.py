"""A small shop with a title, a brand and a price for each item, and models of several families on it."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import SECONDS_PER_DAY, Interactions
from models.bundle import Bundle
from models.fitting import fit_codes, fit_family, use_threads
from models.item_encoders.encoders import MixConfig
from models.recommender import FitData
from models.recommenders.trie_pointer.recipe import TriePointer
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from models.tokenizers.store import ItemCodes
from serving.answers.answerer import Answerer

N_ITEMS = 20
KEYS = [f"i{number}" for number in range(N_ITEMS)]
SHELVES = ["milk fresh", "bread brown", "tea green", "salt sea"]
SMALL = {"trie-pointer": {"epochs": 3, "max_baskets": 8, "d_model": 16, "dropout": 0.0}}
DIGEST = "d" * 64

Shop = Callable[[str], Bundle]
Open = Callable[[str], Answerer]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    titles = [f"{SHELVES[number % 4]} {number}" for number in range(N_ITEMS)]
    brands = [f"b{number % 3}" for number in range(N_ITEMS)]
    prices = [1.0 + number for number in range(N_ITEMS)]
    frame = pl.DataFrame({"item_key": KEYS, "title": titles, "brand": brands, "price": prices})
    return Catalogue(frame, ("brand", "title"))


@pytest.fixture(scope="session")
def events() -> Interactions:
    """Users walk along the shelves, one item a day."""
    starts = np.arange(40) % N_ITEMS
    items = [((start + np.arange(8)) % N_ITEMS).tolist() for start in starts]
    return Interactions.from_histories(items, [(np.arange(8) * SECONDS_PER_DAY).tolist()] * 40)


@pytest.fixture(scope="session")
def codes(catalogue: Catalogue, events: Interactions) -> ItemCodes:
    parts = [{"kind": "tfidf", "size": 6}, {"kind": "categories", "fields": ["brand"]}]
    encoder = MixConfig.model_validate({"parts": parts})
    return fit_codes(catalogue, events, encoder, ResidualKMeansConfig(codebook_size=4), seed=0)


@pytest.fixture(scope="session")
def shop(catalogue: Catalogue, events: Interactions, codes: ItemCodes) -> Shop:
    """The bundle of a family; "beam" is trie-pointer with a narrow beam."""
    made: dict[str, Bundle] = {}

    def get(name: str) -> Bundle:
        if name == "beam":
            exact = get("trie-pointer").recommender
            assert isinstance(exact, TriePointer)
            narrow = TriePointer(exact.config.model_copy(update={"beam": 6}), exact.codes, exact.answers)
            return Bundle(narrow, catalogue, users(events), events, {}, codes)
        if name not in made:
            use_threads(1)
            data = FitData(events, N_ITEMS, codes.vectors, codes.table)
            model = fit_family(name, SMALL.get(name, {}), data, seed=0).recommender
            made[name] = Bundle(model, catalogue, users(events), events, {"run_id": "run-1"}, codes)
        return made[name]

    return get


@pytest.fixture(scope="session")
def opened(shop: Shop) -> Open:
    """An answerer of a family's bundle."""
    made: dict[str, Answerer] = {}

    def get(name: str) -> Answerer:
        if name not in made:
            made[name] = Answerer(shop(name), DIGEST)
        return made[name]

    return get


def users(events: Interactions) -> list[str]:
    return [f"u{number:02d}" for number in range(events.n_users)]
