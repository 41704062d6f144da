from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.split import Protocol
from validation.evaluation.report import Report

PROTOCOL = Protocol(split="time", cutoff=100, until=None, target="first basket")


def report(**changes) -> Report:
    plain = Report(
        protocol=PROTOCOL,
        family="popularity",
        model="0123abcd",
        user_keys=["ann", "bo", "cy", "dee"],
        metrics={"hit@1": np.array([1.0, 0, 0, 1]), "mrr@2": np.array([1, 0.5, 0, 0.1])},
        coverage=0.25,
        coverage_k=2,
        fit_seconds=1.5,
        recommend_seconds=0.125,
        slices={"all": np.ones(4, dtype=bool), "short": np.array([True, True, False, False])},
    )
    return replace(plain, **changes)


def test_the_mean_is_over_the_users_of_a_slice():
    assert report().mean("mrr@2") == pytest.approx(0.4)
    assert report().mean("mrr@2", "short") == pytest.approx(0.75)


def test_the_mean_of_an_empty_slice_is_nan():
    empty = {"all": np.ones(4, dtype=bool), "none": np.zeros(4, dtype=bool)}
    assert np.isnan(report(slices=empty).mean("mrr@2", "none"))


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"must be one of \['hit@1', 'mrr@2'\], but got 'ndcg@10'"):
        report().mean("ndcg@10")


def test_a_report_comes_back_from_disk_to_the_bit(tmp_path: Path):
    wrote = report(metrics={"mrr@2": np.array([1 / 3, np.nan, 0.1, 2**-1074])})
    wrote.save(tmp_path / "new" / "report.parquet")
    read = Report.load(tmp_path / "new" / "report.parquet")
    assert (read.protocol, read.user_keys, read.family, read.model) == (
        (PROTOCOL, wrote.user_keys, "popularity", "0123abcd")
    )
    assert (read.coverage, read.coverage_k, read.fit_seconds, read.recommend_seconds) == (0.25, 2, 1.5, 0.125)
    assert read.metrics["mrr@2"].tobytes() == wrote.metrics["mrr@2"].tobytes()
    assert {name: inside.tolist() for name, inside in read.slices.items()} == {
        "all": [True] * 4,
        "short": [True, True, False, False],
    }


def test_equal_reports_are_equal_files(tmp_path: Path):
    for name in "ab":
        report().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_that_is_no_report_is_refused(tmp_path: Path):
    pd.DataFrame({"user_key": ["ann"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet: a report of format 1 is needed, but got None"):
        Report.load(tmp_path / "other.parquet")


def test_a_column_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"one value per user, but 'hit@1' has shape \(2,\) for 4 users"):
        report(metrics={"hit@1": np.zeros(2)})


def test_the_summary_has_a_row_for_each_slice_and_metric():
    rows = report().summary(resamples=500)
    assert [(row.slice, row.metric, row.n) for row in rows] == [
        ("all", "hit@1", 4),
        ("all", "mrr@2", 4),
        ("short", "hit@1", 2),
        ("short", "mrr@2", 2),
    ]
    # of two users with .5 and 1 a resample has the mean .5, .75 or 1
    assert (rows[3].mean, rows[3].low, rows[3].high) == pytest.approx((0.75, 0.5, 1.0))


def test_the_summary_leaves_out_empty_slices():
    empty = {"all": np.ones(4, dtype=bool), "none": np.zeros(4, dtype=bool)}
    assert {row.slice for row in report(slices=empty).summary(resamples=10)} == {"all"}
