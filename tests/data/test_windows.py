import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.snapshot import write_snapshot
from data.split import COLD
from data.tables import Tables
from data.windows import FilterConfig, leave_one_out, time_window

ALL = FilterConfig(min_item_events=1)
ITEMS = ("apple", "bread", "cheese", "dates", "eggs")


def snapshot_of(rows, root, *, baskets=True):
    """A snapshot of (user, item, timestamp, basket) rows; rows are in source order."""
    names = ["user_key", "item_key", "timestamp", "basket_key"]
    events = pl.DataFrame(rows, schema=names, orient="row").with_row_index("position")
    events = events.with_columns(pl.col("position").cast(pl.Int64))
    if not baskets:
        events = events.drop("basket_key")
    return write_snapshot(Tables(events, pl.DataFrame({"item_key": ITEMS}), (), "test"), root)


ROWS = [
    ("ann", "bread", 10, "1"),
    ("ann", "apple", 10, "1"),
    ("bob", "bread", 20, "2"),
    ("ann", "bread", 30, "3"),
    ("bob", "cheese", 40, "4"),
    # the cut-off of most tests is 100
    ("ann", "apple", 100, "5"),
    ("ann", "dates", 101, "5"),
    ("ann", "eggs", 101, "5"),
    ("ann", "apple", 102, "5"),
    ("ann", "cheese", 110, "6"),
    ("cat", "apple", 120, "7"),
    ("bob", "bread", 200, "8"),
]


@pytest.fixture
def snapshot(tmp_path):
    return snapshot_of(ROWS, tmp_path)


def test_training_is_what_was_before_the_cutoff(snapshot):
    window = time_window(snapshot, name="test", cutoff=100, until=None, filters=ALL)
    assert window.user_keys == ["ann", "bob"]
    assert window.catalogue.keys == ["apple", "bread", "cheese"]
    assert window.train.item.tolist() == [1, 0, 1, 1, 2]  # bread before apple: source order of one second
    assert window.train.time.tolist() == [10, 10, 30, 20, 40]
    assert window.train.basket.tolist() == [0, 0, 1, 0, 1]
    assert window.train.offsets.tolist() == [0, 3, 5]


def test_the_target_is_the_distinct_items_of_the_first_basket(snapshot):
    window = time_window(snapshot, name="test", cutoff=100, until=None, filters=ALL)
    assert window.query_users.tolist() == [0, 1]
    # ann's basket 5: apple twice, dates and eggs unknown before the cut-off; bob's basket 8: bread
    assert window.target.tolist() == [COLD, COLD, 0, 1]
    assert window.target_offsets.tolist() == [0, 3, 4]
    assert window.protocol.target == "first basket"
    assert (window.protocol.split, window.protocol.cutoff, window.protocol.until) == ("time", 100, None)


def test_the_window_ends_before_until(snapshot):
    assert time_window(snapshot, name="v", cutoff=100, until=200, filters=ALL).query_users.tolist() == [0]
    assert time_window(snapshot, name="v", cutoff=100, until=201, filters=ALL).query_users.tolist() == [0, 1]


def test_without_baskets_the_target_is_the_first_event_alone(tmp_path):
    window = time_window(
        snapshot_of(ROWS, tmp_path, baskets=False), name="test", cutoff=101, until=None, filters=ALL
    )
    assert window.protocol.target == "next item"
    assert window.target.tolist() == [COLD, 1]  # dates came first, eggs in the same second
    assert window.train.basket.tolist() == [0, 1, 2, 3, 0, 1]


def test_items_are_counted_before_the_cutoff_only(snapshot):
    # before 100: bread 3, apple 1, cheese 1; apple's three later events do not help it
    window = time_window(
        snapshot, name="test", cutoff=100, until=None, filters=FilterConfig(min_item_events=2)
    )
    assert window.catalogue.keys == ["bread"]
    assert window.train.item.tolist() == [0, 0, 0]
    assert window.target.tolist() == [COLD, COLD, COLD, 0]


def test_history_is_cut_to_the_newest_events(snapshot):
    filters = FilterConfig(min_item_events=1, max_history=1)
    window = time_window(snapshot, name="test", cutoff=100, until=None, filters=filters)
    assert window.train.item.tolist() == [1, 2]
    assert window.train.time.tolist() == [30, 40]


def test_users_with_too_few_events_are_left_out(snapshot):
    filters = FilterConfig(min_item_events=1, min_user_events=3)
    window = time_window(snapshot, name="test", cutoff=100, until=None, filters=filters)
    assert window.user_keys == ["ann"]
    assert window.train.lengths.tolist() == [3]


def test_new_users_are_asked_about_on_demand_with_an_empty_history(snapshot):
    filters = FilterConfig(min_item_events=1, min_user_events=0)
    window = time_window(snapshot, name="test", cutoff=100, until=None, filters=filters)
    assert window.user_keys == ["ann", "bob", "cat"]
    assert window.train.lengths.tolist() == [3, 2, 0]
    assert window.histories.lengths.tolist() == [3, 2, 0]
    assert window.target[window.target_offsets[2] :].tolist() == [0]


def test_overlapping_baskets_stay_whole_and_time_never_decreases(tmp_path):
    rows = [
        ("ann", "apple", 1, "a"),
        ("ann", "bread", 2, "b"),
        ("ann", "cheese", 3, "a"),
        ("ann", "dates", 9, "c"),
        ("ann", "eggs", 99, "d"),
    ]
    window = time_window(snapshot_of(rows, tmp_path), name="test", cutoff=99, until=None, filters=ALL)
    assert window.train.item.tolist() == [0, 2, 1, 3]  # a: apple, cheese; b: bread; c: dates
    assert window.train.basket.tolist() == [0, 0, 1, 2]
    assert window.train.time.tolist() == [1, 3, 3, 9]  # bread's 2 follows cheese's 3


def test_a_window_that_asks_about_nobody_is_refused(snapshot):
    with pytest.raises(DataError, match="must ask about at least one user"):
        time_window(snapshot, name="test", cutoff=300, until=None, filters=ALL)


def test_a_window_without_catalogue_is_refused(snapshot):
    with pytest.raises(DataError, match="the catalogue needs items with at least 5 events"):
        time_window(snapshot, name="test", cutoff=100, until=None, filters=FilterConfig())


def test_a_window_that_ends_before_it_starts_is_refused(snapshot):
    with pytest.raises(DataError, match="until must be after the cutoff, but got 90 <= 100"):
        time_window(snapshot, name="test", cutoff=100, until=90, filters=ALL)


def test_leave_one_out_asks_for_the_last_event(snapshot):
    window = leave_one_out(snapshot, name="test", filters=ALL)
    assert window.user_keys == ["ann", "bob", "cat"]
    assert window.train.lengths.tolist() == [7, 2, 1]  # cat has one event: learned from, not asked about
    assert window.query_users.tolist() == [0, 1]
    assert [window.catalogue.keys[item] for item in window.target] == ["cheese", "bread"]
    assert (window.protocol.split, window.protocol.cutoff) == ("leave-one-out", None)


def test_leave_one_out_for_validation_asks_for_the_last_but_one(snapshot):
    window = leave_one_out(snapshot, name="valid", filters=ALL)
    assert window.train.lengths.tolist() == [6, 1, 1]
    # bob's cheese is in nobody's training events then: a cold target
    assert window.target.tolist() == [window.catalogue.keys.index("apple"), COLD]


def test_leave_one_out_of_another_name_is_refused(snapshot):
    with pytest.raises(DataError, match="name must be valid or test, but got train"):
        leave_one_out(snapshot, name="train", filters=ALL)


EVENT = st.tuples(
    st.sampled_from(["ann", "bob", "cat"]),
    st.sampled_from(ITEMS),
    st.integers(0, 99),
    st.sampled_from("abcd"),
)
LATER = st.tuples(EVENT, st.integers(100, 300)).map(lambda pair: (*pair[0][:2], pair[1], pair[0][3]))
ANCHOR = [("ann", "apple", 0, "a"), ("ann", "apple", 300, "z")]


def parts_made_of_the_past(rows, root):
    window = time_window(
        snapshot_of(rows, root),
        name="test",
        cutoff=100,
        until=None,
        filters=FilterConfig(min_item_events=2, max_history=5),
    )
    train = window.train
    return (
        *(part.tolist() for part in (train.item, train.time, train.basket, train.offsets)),
        window.user_keys,
        window.catalogue.frame.rows(),
    )


@settings(max_examples=60)
@given(past=st.lists(EVENT, max_size=30), one=st.lists(LATER), other=st.lists(LATER))
def test_nothing_after_the_cutoff_changes_training_or_catalogue(tmp_path_factory, past, one, other):
    root = tmp_path_factory.mktemp("snapshots")
    past = [*past, ("ann", "apple", 1, "a")]  # apple is in the catalogue, ann has a history
    assert parts_made_of_the_past([*ANCHOR, *past, *one], root) == parts_made_of_the_past(
        [*ANCHOR[:1], *other, ANCHOR[1], *past], root
    )


@settings(max_examples=60)
@given(st.lists(EVENT | LATER, max_size=40))
def test_every_window_keeps_the_invariants_of_interactions(tmp_path_factory, rows):
    snapshot = snapshot_of([*ANCHOR, *rows], tmp_path_factory.mktemp("snapshots"))
    window = time_window(
        snapshot,
        name="test",
        cutoff=100,
        until=None,
        filters=FilterConfig(min_item_events=1, min_user_events=0),
    )
    train = window.train
    for user in range(train.n_users):
        own = slice(train.offsets[user], train.offsets[user + 1])
        assert (np.diff(train.time[own]) >= 0).all()
        assert set(np.diff(train.basket[own])) <= {0, 1}
        assert train.lengths[user] == 0 or train.basket[own][0] == 0
    assert (train.time < 100).all()
    assert (np.diff(window.target_offsets) >= 1).all()
    assert len(train) == sum(time < 100 for _, _, time, _ in [*ANCHOR, *rows])


def test_text_fields_travel_with_the_catalogue(tmp_path):
    events = pl.DataFrame(
        {"user_key": ["u"] * 2, "item_key": ["i"] * 2, "timestamp": [1, 9], "position": [0, 1]}
    )
    tables = Tables(events, pl.DataFrame({"item_key": ["i"], "name": ["Tea"]}), ("name",), "test")
    window = time_window(write_snapshot(tables, tmp_path), name="test", cutoff=5, until=None, filters=ALL)
    assert window.catalogue.titles.to_list() == ["Tea"]


def test_a_test_fitted_on_train_keeps_the_catalogue_of_validation(snapshot):
    valid = leave_one_out(snapshot, name="valid", filters=ALL)
    test = leave_one_out(snapshot, name="test", filters=ALL, fitted_on="train")
    assert test.catalogue.keys == valid.catalogue.keys  # bob's cheese was asked for, not learned
    assert test.train.item.tolist() != valid.train.item.tolist()
    assert test.train.lengths.tolist() == [7, 1, 1]  # ann's validation event is in her history
    assert (valid.protocol.fitted_on, test.protocol.fitted_on) == ("train", "train")
    assert leave_one_out(snapshot, name="test", filters=ALL).protocol.fitted_on == "train + validation"


def test_validation_cannot_be_asked_of_a_model_that_learned_it(snapshot):
    with pytest.raises(DataError, match="fitted_on must be 'train'"):
        leave_one_out(snapshot, name="valid", filters=ALL, fitted_on="train + validation")


def test_zero_events_take_the_whole_item_table(snapshot):
    window = leave_one_out(snapshot, name="valid", filters=FilterConfig(min_item_events=0))
    assert window.catalogue.keys == list(ITEMS)
    assert [window.catalogue.keys[item] for item in window.target] == ["apple", "cheese"]  # none is cold


def test_a_window_says_what_its_model_learned_from(snapshot):
    of = {
        name: time_window(snapshot, name=name, cutoff=100, until=None, filters=ALL)
        for name in ("valid", "test")
    }
    assert {name: window.protocol.fitted_on for name, window in of.items()} == {
        "valid": "train",
        "test": "train + validation",
    }


def test_some_queries_keep_their_own_targets(snapshot):
    window = time_window(snapshot, name="test", cutoff=100, until=None, filters=ALL)
    assert window.asking(np.array([1])).target.tolist() == [1]
    assert window.asking(np.array([0])).target.tolist() == [COLD, COLD, 0]
    assert window.asking(np.array([1])).target_offsets.tolist() == [0, 1]
    one = window.sample(1, seed=3)
    assert len(one.query_users) == 1
    assert one.query_users.tolist() == window.sample(1, seed=3).query_users.tolist()
    assert window.sample(None, seed=0) is window
    assert window.sample(9, seed=0) is window


def test_ties_of_a_day_follow_the_position_column_whatever_the_order_of_the_file(tmp_path):
    rows = [("u", "apple", 7, 2), ("u", "bread", 7, 0), ("u", "cheese", 7, 1), ("u", "dates", 7, 3)]
    events = pl.DataFrame(rows, schema=["user_key", "item_key", "timestamp", "position"], orient="row")
    snapshot = write_snapshot(Tables(events, pl.DataFrame({"item_key": ITEMS}), (), "test"), tmp_path)
    window = leave_one_out(snapshot, name="test", filters=FilterConfig(min_item_events=0))
    assert [window.catalogue.keys[item] for item in window.train.item] == ["bread", "cheese", "apple"]
    assert window.catalogue.keys[window.target[0]] == "dates"
