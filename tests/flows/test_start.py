"""Where a retraining starts from: every reason for a cold start, and the way back to the model before."""

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from flows.config import load
from flows.environment import Home
from flows.retraining.start import start_of
from flows.steps import Artefact
from models import bundle
from models.bundle import Bundle
from models.fitting import fit_family
from models.recommender import FitData
from models.tokenizers.code_table import CodeTable

from .conftest import SMOKE

EVENTS = Interactions.from_histories([[0, 1, 0], [1, 0, 1]])
CODES = CodeTable(np.array([[0, 0], [1, 0]]), (2, 1))
DATA = FitData(EVENTS, 2, np.eye(2, dtype=np.float32), CODES)
CATALOGUE = Catalogue(pl.DataFrame({"item_key": ["a", "b"]}))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def config(tmp_path):
    def with_start(start="warm", **warm):
        more = "\n".join(f"{key} = {value}" for key, value in warm.items())
        sections = f'[warm]\nstart = "{start}"\n{more}\n[churn]\nkeep_codes = true\n[gate]'
        file = tmp_path / "run.toml"
        file.write_text(SMOKE.read_text().replace("[gate]", sections))
        return load(file)

    return with_start


def champion(home, family="trie-pointer", name="now", **lineage):
    """A bundle as a champion leaves it, with what it remembers of its past."""
    settings = {"epochs": 1, "d_model": 8} if family == "trie-pointer" else {}
    fitted = fit_family(family, settings, DATA, seed=0)
    lineage = {"snapshot": "old data", "generation": "g"} | lineage
    folder = home.root / "work" / name
    folder.mkdir(parents=True)
    packed = Bundle(fitted.recommender, CATALOGUE, ["u", "v"], EVENTS, lineage)
    return Artefact(str(folder), bundle.save(packed, folder / "bundle"))


def test_the_champions_family_goes_on_with_all_of_its_settings(home, config):
    now = champion(home)
    start = start_of(config(), home, now, "new data")
    assert (start.champion, start.family) == (now, "trie-pointer")
    assert (start.settings["d_model"], start.settings["n_blocks"]) == (8, 1)
    assert start.why == f"Warm start: trie-pointer goes on from bundle {now.digest[:12]}, 0 warm before it."


def test_where_cold_was_asked_for_nothing_is_said(home, config):
    assert start_of(config("cold"), home, champion(home), "new data").why == ""


def cold(found):
    assert found.champion is None
    return found.why


def test_every_other_start_is_cold_and_says_why(home, config):
    assert "no champion yet" in cold(start_of(config(), home, None, "new data"))
    counted = champion(home, "transitions", "counted")
    assert "family, transitions, is not trained here or can't go on" in cold(
        start_of(config(), home, counted, "new data")
    )
    now = champion(home)
    assert "has learned from this data" in cold(start_of(config(), home, now, "old data"))
    often = champion(home, name="often", warm_in_a_row="3")
    assert "3 champions in a row were warm" in cold(start_of(config(max_in_a_row=3), home, often, "new data"))
    assert start_of(config(max_in_a_row=4), home, often, "new data").champion == often


def test_on_its_own_data_a_warm_champion_starts_where_it_started(home, config):
    first = champion(home, name="first", snapshot="older data")
    second = champion(home, name="second", warm_from=first.digest, warm_in_a_row="1")
    assert start_of(config(), home, second, "old data").champion == first
    lost = champion(home, name="lost", warm_from="gone", warm_in_a_row="1")
    assert "has learned from this data" in cold(start_of(config(), home, lost, "old data"))
