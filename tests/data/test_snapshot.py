import json
from dataclasses import replace

import polars as pl
import pytest

import data.snapshot as snapshot_module
from data.errors import DataError
from data.snapshot import open_snapshot, write_snapshot
from data.synthetic import planted_tables
from data.tables import Tables

TABLES = planted_tables(n_users=6, n_items=5, length=4, noise=0.5, seed=1)


def test_a_snapshot_gives_back_the_tables_in_canonical_order(tmp_path):
    events = pl.DataFrame(
        {
            "user_key": ["b", "a", "a", "a"],
            "item_key": ["i", "k", "j", "i"],
            "timestamp": [5, 9, 7, 7],
            "position": [0, 1, 3, 2],
        }
    )
    items = pl.DataFrame({"item_key": ["k", "j", "i"], "name": ["K", "J", "I"]})
    snapshot = write_snapshot(Tables(events, items, ("name",), "here"), tmp_path)
    assert snapshot.interactions().rows() == [
        ("a", "i", 7, 0),
        ("a", "j", 7, 1),
        ("a", "k", 9, 2),
        ("b", "i", 5, 3),
    ]
    assert snapshot.interactions(["item_key"]).to_series().to_list() == ["i", "j", "k", "i"]
    assert snapshot.items().rows() == [("i", "I"), ("j", "J"), ("k", "K")]


@pytest.mark.parametrize("column", ["user_key", "item_key", "timestamp"])
def test_an_event_without_user_item_or_time_is_refused_and_nothing_is_written(tmp_path, column):
    events = TABLES.interactions.with_columns(pl.when(pl.int_range(pl.len()) > 1).then(pl.col(column)))
    with pytest.raises(DataError, match=f"column '{column}' must not be null, but got 2 of 24 events"):
        write_snapshot(replace(TABLES, interactions=events), tmp_path / "snapshots")
    assert not (tmp_path / "snapshots").exists()


def test_the_manifest_says_what_is_inside(tmp_path):
    snapshot = write_snapshot(TABLES, tmp_path)
    manifest = json.loads((snapshot.path / "manifest.json").read_text())
    assert (manifest["n_interactions"], manifest["n_users"], manifest["n_items"]) == (24, 6, 5)
    assert manifest["source"] == "planted cycle (seed 1)"
    assert manifest["text_fields"] == ["category", "name"]
    times = TABLES.interactions["timestamp"]
    assert (manifest["first_timestamp"], manifest["last_timestamp"]) == (times.min(), times.max())
    assert set(manifest["sha256"]) == {"interactions.parquet", "items.parquet"}
    assert snapshot.path == tmp_path / manifest["digest"][:12]
    assert open_snapshot(snapshot.path) == snapshot


def test_the_digest_depends_on_content_not_on_row_order_source_or_file(tmp_path):
    first = write_snapshot(TABLES, tmp_path / "a")
    shuffled = replace(
        TABLES,
        interactions=TABLES.interactions.sample(fraction=1, shuffle=True, seed=3),
        items=TABLES.items.select("name", "item_key", "category").reverse(),
        source="elsewhere",
    )
    assert write_snapshot(shuffled, tmp_path / "b").digest == first.digest


def test_the_order_of_events_of_one_second_is_content(tmp_path):
    tied = TABLES.interactions.with_columns(timestamp=pl.lit(1, dtype=pl.Int64))
    turned = tied.with_columns(position=-pl.col("position"))
    digests = {write_snapshot(replace(TABLES, interactions=t), tmp_path).digest for t in (tied, turned)}
    assert len(digests) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"interactions": TABLES.interactions.with_columns(pl.col("timestamp") + 1)},
        {"interactions": TABLES.interactions[:-1]},
        {"interactions": TABLES.interactions.drop("basket_key")},
        {"items": TABLES.items.with_columns(name=pl.lit("thing"))},
        {"text_fields": ("name",)},
    ],
)
def test_any_change_of_content_changes_the_digest(tmp_path, change):
    before = write_snapshot(TABLES, tmp_path)
    assert write_snapshot(replace(TABLES, **change), tmp_path).digest != before.digest


def test_the_same_content_again_returns_the_existing_snapshot(tmp_path):
    first = write_snapshot(TABLES, tmp_path)
    written = (first.path / "manifest.json").stat().st_mtime_ns
    assert write_snapshot(TABLES, tmp_path) == first
    assert (first.path / "manifest.json").stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == [first.digest[:12]]


@pytest.mark.parametrize("failing", ["_sha256", "asdict"])
def test_nothing_half_written_stays_behind(tmp_path, monkeypatch, failing):
    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(snapshot_module, failing, fail)
    with pytest.raises(OSError, match="no space left"):
        write_snapshot(TABLES, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_replaced(tmp_path):
    digest = write_snapshot(TABLES, tmp_path / "elsewhere").digest
    draft = tmp_path / f".draft-{digest[:12]}"
    draft.mkdir()
    (draft / "interactions.parquet").write_bytes(b"half")
    snapshot = write_snapshot(TABLES, tmp_path)
    assert not draft.exists()
    assert snapshot.interactions().height == 24


@pytest.mark.parametrize("name", ["interactions.parquet", "items.parquet"])
def test_a_changed_file_is_noticed(tmp_path, name):
    path = write_snapshot(TABLES, tmp_path).path
    with (path / name).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match=rf"{name}: a snapshot's file must have SHA-256"):
        open_snapshot(path)
    with pytest.raises(DataError, match="delete the folder"):
        write_snapshot(TABLES, tmp_path)


def test_a_lost_file_is_noticed(tmp_path):
    path = write_snapshot(TABLES, tmp_path).path
    (path / "items.parquet").unlink()
    with pytest.raises(DataError, match="but got no file"):
        open_snapshot(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "a snapshot folder must hold manifest.json"),
        ("{", "a manifest must be JSON with the fields of a snapshot"),
        ('{"format_version": 99}', "this version reads snapshot format 1, but got 99"),
        ("[]", "a manifest must be JSON with the fields of a snapshot"),
    ],
)
def test_a_folder_that_is_no_snapshot_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=message):
        open_snapshot(tmp_path)


def test_a_span_of_time_can_be_read_alone(tmp_path):
    snapshot = write_snapshot(TABLES, tmp_path)
    times = sorted(snapshot.interactions()["timestamp"].to_list())
    middle = times[12]
    past, rest = snapshot.interactions(until=middle), snapshot.interactions(since=middle)
    assert (past["timestamp"] < middle).all()
    assert (rest["timestamp"] >= middle).all()
    assert past.height + rest.height == 24
    assert snapshot.interactions(["item_key"], since=middle, until=middle).shape == (0, 1)
