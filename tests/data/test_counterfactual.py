import polars as pl

from data.counterfactual import with_another_future
from data.snapshot import write_snapshot
from data.synthetic import START, planted_tables

CUTOFF = START + 4 * 3_600


def test_the_past_stays_and_the_future_is_another(tmp_path):
    real = write_snapshot(planted_tables(20, 12, 8), tmp_path)
    other = with_another_future(real, CUTOFF, tmp_path / "other")
    names = ["user_key", "item_key", "timestamp", "basket_key"]
    before = pl.col("timestamp") < CUTOFF
    pasts = [s.interactions().filter(before).select(names) for s in (real, other)]
    futures = [s.interactions().filter(~before).select(names) for s in (real, other)]
    assert pasts[0].equals(pasts[1])
    assert futures[0].height == futures[1].height > 0
    assert not futures[0].equals(futures[1])
    assert other.items().equals(real.items())
