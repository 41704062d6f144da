"""The champion on fresh events: planted walks around a circle, and users who turn round."""

from dataclasses import replace

import polars as pl
import pytest

from data.snapshot import write_snapshot
from data.synthetic import SECONDS_BETWEEN_EVENTS, START, planted_tables
from data.windows import FilterConfig, time_window
from flows.environment import Home
from flows.record.ledger import Entry, Ledger
from flows.retraining.moved import moved, promised_by
from models import bundle
from models.bundle import Bundle
from models.fitting import fit_codes, fit_family
from models.item_encoders.tfidf import TfidfConfig
from models.recommender import FitData
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from validation.drift.config import DriftConfig, Level
from validation.gates.rules import GateConfig

N_USERS, N_ITEMS, LENGTH = 300, 30, 20
FILTERS, GATE = FilterConfig(min_item_events=1), GateConfig(metric="hit@1", min_users=50)
CONFIG = DriftConfig(days=1)


def step(number):
    """When the first user does it."""
    return START + SECONDS_BETWEEN_EVENTS * number


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Twenty steps of everybody, the four that follow, and a champion that counted the twenty."""
    root = tmp_path_factory.mktemp("moved")
    whole = planted_tables(N_USERS, N_ITEMS, LENGTH + 4, noise=0.0)
    early = whole.interactions.filter(pl.col("timestamp") < step(LENGTH))
    before = write_snapshot(replace(whole, interactions=early), root / "snapshots")
    window = time_window(before, name="test", cutoff=step(LENGTH - 1), until=None, filters=FILTERS)
    codes = fit_codes(window.catalogue, window.train, TfidfConfig(size=4), ResidualKMeansConfig(), seed=0)
    learn = FitData(window.train, len(window.catalogue), codes.vectors, codes.table)
    champion = fit_family("transitions", {}, learn, seed=0).recommender
    packed = Bundle(champion, window.catalogue, window.user_keys, window.train, {})
    bundle.save(packed, root / "bundle")
    return root, before, whole


def measured(world, now, promised=1.0, gate=GATE):
    root, before, _ = world
    found = moved(before, now, root / "bundle", promised, gate=gate, filters=FILTERS, config=CONFIG)
    return {each.name: each for each in found}


def test_a_champion_that_still_knows_what_comes_next_is_fine(world):
    root, _, whole = world
    found = measured(world, write_snapshot(whole, root / "snapshots"))["live hit@1"]
    assert (found.value, found.level) == (0, Level.FINE)
    assert found.now == f"1.0000 [1.0000, 1.0000], {N_USERS} users"


def test_users_who_do_something_else_call_for_a_retraining(world):
    root, _, whole = world
    first = whole.items["item_key"][0]
    turned = (pl.col("user_key").hash(seed=0) % 2 == 0) & (pl.col("timestamp") >= step(LENGTH))
    other = whole.interactions.with_columns(
        item_key=pl.when(turned).then(pl.lit(first)).otherwise("item_key")
    )
    found = measured(world, write_snapshot(replace(whole, interactions=other), root / "snapshots"))
    # half of the users want the first item now; the interval of 300 reaches .06 further up
    assert found["live hit@1"].value == pytest.approx(0.44, abs=0.1)
    assert found["live hit@1"].level is Level.RETRAIN
    assert next(iter(found.values())).level is not Level.FINE  # what calls for most comes first


@pytest.mark.parametrize("promised", [None, 0.0])
def test_without_a_promise_there_is_no_such_measure(world, promised):
    root, _, whole = world
    assert "live hit@1" not in measured(world, write_snapshot(whole, root / "snapshots"), promised)


def test_too_few_users_or_no_fresh_event_are_no_evidence(world):
    root, before, whole = world
    now = write_snapshot(whole, root / "snapshots")
    assert "live hit@1" not in measured(world, now, gate=GateConfig(metric="hit@1", min_users=N_USERS + 1))
    assert "live hit@1" not in measured(world, before)


def test_the_promise_is_what_the_ledger_says_of_the_promotion(tmp_path):
    home = Home(tmp_path)
    contest = {"metric": "hit@1", "slice": "all", "challenger_mean": 0.4}
    of_a_slice = contest | {"slice": "new users", "challenger_mean": 0.1}
    row = Entry("a", 0, "ann", "promote", "", "t:1", "b1", "1", "r", "s", "g", {}, "why")
    ledger = Ledger(home.ledger_url)
    ledger.append(replace(row, verdict={"contests": [of_a_slice, contest]}))
    ledger.append(replace(row, intent="b", bundle="b2"))
    ledger.append(
        replace(row, intent="c", action="refuse", verdict={"contests": [contest | {"challenger_mean": 0.9}]})
    )
    ledger.close()
    assert promised_by(home, "b1", "hit@1") == 0.4
    assert promised_by(home, "b1", "ndcg@10") is None
    assert promised_by(home, "b2", "hit@1") is None
    assert promised_by(home, "b3", "hit@1") is None
