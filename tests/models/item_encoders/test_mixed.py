"""Encoders of categories and events, and mixes of several."""

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from data.catalogue import Catalogue
from data.interactions import Interactions
from data.snapshot import write_snapshot
from data.sources import load as load_source
from data.sources.config import FilesConfig
from data.windows import FilterConfig, leave_one_out
from models import bundle
from models.baselines.popularity import Popularity, PopularityConfig
from models.fitting import encode_items, use_threads
from models.item_encoders.categories import CategoriesConfig, categorical_fields, fit_categories
from models.item_encoders.collaborative import CollaborativeConfig, encode_collaborative
from models.item_encoders.encoders import EncoderConfig, MixConfig, side_by_side
from models.item_encoders.tfidf import TfidfConfig, fit_tfidf
from models.recommender import FitData
from models.recommenders.sasrec import SASRecConfig

PATHS = [
    [["Beauty", "Hair", "Brushes"]],
    [["Beauty", "Hair", "Combs"]],
    [["Beauty", "Skin", "Creams"]],
    [["Sports", "Golf"], ["Gifts"]],
    [],
    None,
]
ITEMS = pl.DataFrame(
    {
        "item_key": list("abcdef"),
        "title": ["brush", "comb", "cream", "ball", "sun lotion", "towel"],
        "brand": ["Ada", "Ada", "Bob", None, "Bob", None],
        "categories": PATHS,
        "price": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
        "shelf": [1, 1, 2, 3, 2, None],
    }
)
TINY = CollaborativeConfig(
    model=SASRecConfig(d_model=16, epochs=15, max_length=8, dropout=0.0, learning_rate=1e-2)
)


def read(settings):
    return TypeAdapter(EncoderConfig).validate_python(settings)


@pytest.mark.parametrize("reduce", ["svd", "hash"])
def test_items_that_part_later_on_their_path_lie_nearer(reduce):
    config = CategoriesConfig(fields=("categories",), reduce=reduce, size=64)
    vectors = fit_categories(ITEMS, config, seed=0)[1]
    same = vectors @ vectors.T
    assert same[0, 1] > same[0, 2] > same[0, 3] + 0.05
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 1, 0, 0], abs=1e-5)


def test_without_fields_those_with_lists_and_those_whose_text_repeats_are_taken():
    assert categorical_fields(ITEMS) == ("brand", "categories")


def test_hashed_vectors_depend_on_their_item_alone():
    config = CategoriesConfig(fields=("categories", "brand", "shelf"), reduce="hash", size=32)
    whole = fit_categories(ITEMS, config, seed=0)[1]
    assert np.array_equal(fit_categories(ITEMS[2:4], config, seed=9)[1], whole[2:4])


def test_a_separator_makes_lists_of_text():
    items = pl.DataFrame({"item_key": ["a", "b"], "genres": ["Drama| Comedy", "comedy|drama"]})
    cut = fit_categories(items, CategoriesConfig(fields=("genres",), separator="|", reduce="hash"), seed=0)[1]
    assert np.array_equal(cut[0], cut[1])  # the same two genres
    whole = fit_categories(items, CategoriesConfig(fields=("genres",), reduce="hash"), seed=0)[1]
    assert not np.array_equal(whole[0], whole[1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("colour",), "must be columns of the items, but got 'colour'"),
        (("price",), "must hold text, integers or lists of them, but 'price' is Float64"),
    ],
)
def test_a_field_that_holds_no_categories_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        fit_categories(ITEMS, CategoriesConfig(fields=fields), seed=0)[1]


def test_a_catalogue_without_categories_is_refused():
    with pytest.raises(ValueError, match=r"name categorical columns in encoder\.fields"):
        fit_categories(ITEMS.select("item_key", "title"), CategoriesConfig(), seed=0)[1]


def two_camps() -> Interactions:
    """Users buy from items 0..3 or from 4..7; nobody buys item 8."""
    rng = np.random.default_rng(0)
    return Interactions.from_histories([(rng.permutation(4) + 4 * (u % 2)).tolist() for u in range(60)])


def test_items_of_the_same_buyers_lie_together():
    use_threads(1)
    vectors = encode_collaborative(two_camps(), 9, TINY, seed=0)
    same = vectors @ vectors.T
    within = (same[:4, :4].sum() - 4 + same[4:8, 4:8].sum() - 4) / 24
    assert within > same[:4, 4:8].mean() + 0.3
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1] * 8 + [0], abs=1e-5)


def test_who_has_no_events_changes_nothing():
    use_threads(1)
    events = two_camps()
    spread = np.insert(events.offsets, [10, 20], [events.offsets[10], events.offsets[20]])
    more = Interactions(events.item, events.time, events.basket, spread)
    assert more.n_users == events.n_users + 2
    quick = CollaborativeConfig(model=SASRecConfig(d_model=8, epochs=1, max_length=8))
    one, other = (encode_collaborative(each, 9, quick, seed=3) for each in (events, more))
    assert np.array_equal(one, other)


def test_the_collaborative_encoder_asks_for_events():
    with pytest.raises(ValueError, match="learns from events, but got none: give the training events"):
        encode_items(Catalogue(ITEMS), read({"kind": "mix", "parts": ["collaborative"]}), seed=0)


def test_parts_side_by_side():
    # weights 3 and 4 over 5; rows are first made one long, zero rows stay zero
    one = np.array([[2.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    two = np.array([[7.0], [-1.0]], dtype=np.float32)
    assert side_by_side([one, two], [3, 4]) == pytest.approx(np.array([[0.6, 0, 0.8], [0, 0, -0.8]]))


def test_a_mix_is_read_from_names_and_from_tables():
    config = read({"kind": "mix", "parts": ["tfidf", {"kind": "categories", "size": 8, "weight": 0.5}]})
    assert isinstance(config, MixConfig)
    assert [(type(part.encoder), part.weight) for part in config.parts] == [
        (TfidfConfig, 1.0),
        (CategoriesConfig, 0.5),
    ]
    assert config.parts[1].encoder.size == 8
    assert read(config.model_dump(mode="json")) == config


def test_tfidf_is_what_an_encoder_is_without_a_kind():
    assert read({"size": 8}) == TfidfConfig(size=8)


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "nope"},
        {"kind": "mix", "parts": []},
        {"kind": "mix", "parts": ["nope"]},
        {"kind": "mix", "parts": [{"kind": "tfidf", "weight": 0}]},
        {"kind": "mix", "parts": [{"kind": "tfidf", "typo": 1}]},
    ],
)
def test_a_mistaken_encoder_is_refused(bad):
    with pytest.raises(ValidationError):
        read(bad)


def test_alone_tfidf_gives_the_bits_it_always_gave():
    catalogue = Catalogue(ITEMS, ("title", "brand"))
    texts = ["brush Ada", "comb Ada", "cream Bob", "ball", "sun lotion Bob", "towel"]
    assert catalogue.texts == texts
    expected = fit_tfidf(texts, TfidfConfig(size=3), seed=5)[1]
    assert np.array_equal(encode_items(catalogue, TfidfConfig(size=3), seed=5), expected)


def test_lists_in_files_reach_the_encoder_and_a_bundle(tmp_path):
    users = [user for user in "uvw" for _ in range(6)]
    events = pl.DataFrame({"user": users, "item": list("abcdef") * 3, "time": list(range(6)) * 3})
    events.write_parquet(tmp_path / "events.parquet")
    ITEMS.rename({"item_key": "item"}).write_parquet(tmp_path / "items.parquet")
    source = FilesConfig(
        interactions=tmp_path / "events.parquet",
        items=tmp_path / "items.parquet",
        columns={"user_key": "user", "item_key": "item", "timestamp": "time"},
        text_fields=("categories", "title"),
    )
    snapshot = write_snapshot(load_source(source), tmp_path)
    window = leave_one_out(snapshot, name="test", filters=FilterConfig(min_item_events=1))
    assert window.catalogue.texts[:2] == ["Beauty Hair Brushes brush", "Beauty Hair Combs comb"]
    assert window.catalogue.titles[3:5].to_list() == ["Sports Golf Gifts, ball", "sun lotion"]
    config = read({"kind": "mix", "parts": ["tfidf", "categories"]})
    vectors = encode_items(window.catalogue, config, seed=0)
    assert len(vectors) == len(window.catalogue) == 5  # item f is every user's last
    popular = Popularity.fit(PopularityConfig(), _fit_data(window))
    packed = bundle.Bundle(popular, window.catalogue, window.user_keys, window.train, {})
    bundle.save(packed, tmp_path / "bundle")
    again = bundle.load(tmp_path / "bundle").catalogue
    assert again.texts == window.catalogue.texts
    assert np.array_equal(encode_items(again, config, seed=0), vectors)


def _fit_data(window):
    n_items = len(window.catalogue)
    return FitData(window.train, n_items, np.zeros((n_items, 1), np.float32), None)
