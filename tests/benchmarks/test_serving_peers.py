"""The peer learns of every item of the catalogue."""

import numpy as np
import polars as pl

from benchmarks.serving_peers import events_of
from data.catalogue import Catalogue
from data.interactions import Interactions
from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle

N_ITEMS = 120


def test_a_peer_is_fitted_on_every_item_and_the_newest_events() -> None:
    catalogue = Catalogue(pl.DataFrame({"item_key": [f"i{item}" for item in range(N_ITEMS)]}))
    model = Popularity(PopularityConfig(), np.ones(N_ITEMS, dtype=np.float32))
    histories = Interactions.from_histories([[3, 1, 2], [5] * 70])
    events = events_of(Bundle(model, catalogue, ["x", "y"], histories, {}), 10)
    assert set(events["item_id"]) == set(catalogue.keys)
    first = events.filter(pl.col("user_id") == "0").sort("datetime")
    assert first["item_id"].to_list() == ["i3", "i1", "i2"]
    assert events.filter(pl.col("user_id") == "1").height == 50
