"""Rows that people read."""

from flows.retraining import standings
from flows.retraining.standings import Standing
from flows.tracking.plots import Estimate

LINE = Standing(
    "a", 0.25, {"ndcg@10": Estimate("a", 0.2, 0.1, 0.3), "hit@10": Estimate("a", 0.5, 0.4, 0.6)}, 1.25, 0.1
)


def test_intervals_stand_beside_the_first_metrics_only():
    rows = standings.table([LINE], ("ndcg@10", "hit@10"), intervals=1)
    assert rows == [
        {
            "family": "a",
            "valid": "0.2500",
            "ndcg@10": "0.2000 [0.1000, 0.3000]",
            "hit@10": "0.5000",
            "fit s": "1.2",
        }
    ]


def test_the_champion_has_no_validation_metric():
    line = Standing("champion", None, LINE.test, 0.0, 0.1)
    assert standings.table([line], ("ndcg@10",))[0]["valid"] == ""
