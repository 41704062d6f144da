"""A small planted world for models: everyone buys 0, 1, 2, ... in a circle, one basket a day."""

import numpy as np
import pytest

from data.interactions import SECONDS_PER_DAY, Interactions
from models.fitting import fit_family
from models.recommender import FitData
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig

N_ITEMS = 24
ITEM_IDS = {"epochs": 30, "max_length": 16, "d_model": 32, "dropout": 0.0, "learning_rate": 1e-2}
TINY = {"epochs": 8, "max_length": 16, "d_model": 32, "n_heads": 2, "n_blocks": 1, "dropout": 0.0}
TINY |= {"learning_rate": 1e-2, "batch_rows": 8, "queries_per_row": 10}
SMALL = {
    "ease": {"history_decay": 0.3, "ridge": 1},
    "sasrec": ITEM_IDS,
    "sasrec-bce": ITEM_IDS
    | {"epochs": 12, "batch_rows": 8, "max_length": 4},  # negatives lie outside a window
    "esasrec": ITEM_IDS | {"epochs": 8, "batch_rows": 8, "n_negatives": 8, "negative_draws": 8},
    "hstu": ITEM_IDS | {"epochs": 8, "batch_rows": 8, "n_negatives": 8, "negative_draws": 8},
    "encore": {
        "epochs": 12,
        "batch_rows": 8,
        "max_length": 16,
        "d_model": 32,
        "dropout": 0.0,
        "input_dropout": 0.0,
        "learning_rate": 1e-2,
        "count_share": 0.0,
    },
    "trie-pointer": {"epochs": 30, "max_baskets": 8, "d_model": 32, "dropout": 0.0, "learning_rate": 1e-2},
    "tiger": TINY,
    "code-lm": TINY,
    "parallel-codes": TINY,
    "recgpt": TINY,
}
WITHOUT_DIGIT = {"parallel-codes", "recgpt"}  # items with equal codes are one to them


def circle(n_users: int, length: int, seed: int) -> Interactions:
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, N_ITEMS, n_users)
    items = [((start + np.arange(length)) % N_ITEMS).tolist() for start in starts]
    times = [(np.arange(length) * SECONDS_PER_DAY).tolist() for _ in starts]
    return Interactions.from_histories(items, times)


def world(tokenizer: ResidualKMeansConfig) -> FitData:
    events = circle(n_users=120, length=18, seed=0)
    vectors = np.random.default_rng(1).normal(size=(N_ITEMS, 6)).astype(np.float32)
    codes = ResidualKMeans.fit(vectors, tokenizer, seed=0).table(vectors)
    return FitData(events, N_ITEMS, vectors, codes)


@pytest.fixture(scope="session")
def fit_data() -> FitData:
    return world(ResidualKMeansConfig(n_levels=2, codebook_size=4))


@pytest.fixture(scope="session")
def fit_data_without_collisions() -> FitData:
    data = world(ResidualKMeansConfig(n_levels=3, codebook_size=8))
    assert data.codes.sizes[-1] == 1
    return data


@pytest.fixture(scope="session")
def fitted(fit_data, fit_data_without_collisions):
    made = {}

    def get(name):
        if name not in made:
            data = fit_data_without_collisions if name in WITHOUT_DIGIT else fit_data
            made[name] = fit_family(name, SMALL.get(name, {}), data, seed=0).recommender
        return made[name]

    return get
