import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from models import bundle
from models.families import FAMILIES
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from models.tokenizers.store import ItemCodes

HISTORIES = Interactions.from_histories([[3, 4, 5], [7]])


@pytest.fixture(params=list(FAMILIES))
def packed(request, fitted):
    catalogue = Catalogue(pl.DataFrame({"item_key": [f"i{n:02d}" for n in range(24)]}))
    model = fitted(request.param)
    return bundle.Bundle(model, catalogue, ["ann", "bob"], HISTORIES, {"run_id": "r1"}, some_codes())


def some_codes():
    vectors = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
    tokenizer = ResidualKMeans.fit(vectors, ResidualKMeansConfig(codebook_size=4), seed=0)
    return ItemCodes(vectors, tokenizer, tokenizer.table(vectors))


def test_a_bundle_answers_after_loading_as_before_saving(packed, tmp_path):
    bundle.save(packed, tmp_path / "b")
    again = bundle.load(tmp_path / "b")
    before, after = (b.recommender.recommend(HISTORIES, 7) for b in (packed, again))
    assert np.array_equal(before.items, after.items)
    assert np.array_equal(before.scores, after.scores)
    assert again.catalogue.keys == packed.catalogue.keys
    assert (again.user_keys, again.lineage) == (packed.user_keys, packed.lineage)
    assert np.array_equal(again.items.vectors, packed.items.vectors)
    assert again.items.table.generation == packed.items.table.generation


def test_a_bundle_of_the_first_format_is_read_and_knows_no_codes(packed, tmp_path):
    path = tmp_path / "b"
    bundle.save(replace(packed, items=None), path)
    head = json.loads((path / "bundle.json").read_text()) | {"format_version": 1}
    (path / "bundle.json").write_text(json.dumps(head))
    (path / "digest").write_text(bundle._digest(path))
    assert bundle.load(path).items is None


def test_equal_bundles_have_equal_digests(packed, tmp_path):
    assert bundle.save(packed, tmp_path / "one") == bundle.save(packed, tmp_path / "two")


def test_nothing_in_a_bundle_is_pickled(packed, tmp_path):
    bundle.save(packed, tmp_path / "b")
    assert {path.suffix for path in (tmp_path / "b").iterdir()} == {".json", ".safetensors", ""}


def test_a_changed_bundle_is_refused(packed, tmp_path):
    bundle.save(packed, tmp_path / "b")
    (tmp_path / "b" / "users.json").write_text("[]")
    with pytest.raises(ValueError, match="must match the recorded digest"):
        bundle.load(tmp_path / "b")


def test_another_format_version_is_refused(packed, tmp_path):
    path = tmp_path / "b"
    bundle.save(packed, path)
    head = json.loads((path / "bundle.json").read_text()) | {"format_version": 99}
    (path / "bundle.json").write_text(json.dumps(head))
    (path / "digest").write_text(bundle._digest(path))
    with pytest.raises(ValueError, match="reads bundle formats 1 to 3, but got 99"):
        bundle.load(path)


def test_every_single_byte_counts(packed, tmp_path):
    path = tmp_path / "b"
    bundle.save(packed, path)
    for file in sorted(path.iterdir()):
        kept = file.read_bytes()
        changed = bytearray(kept)
        changed[len(changed) // 2] ^= 1
        file.write_bytes(changed)
        with pytest.raises(ValueError, match="must match the recorded digest"):
            bundle.load(path)
        file.write_bytes(kept)
    bundle.load(path)


def test_a_file_more_or_less_is_refused(packed, tmp_path):
    path = tmp_path / "b"
    bundle.save(packed, path)
    (path / "weights.pkl").write_bytes(b"cos\nsystem\n.")
    with pytest.raises(ValueError, match="must match the recorded digest"):
        bundle.load(path)
    (path / "weights.pkl").unlink()
    (path / "digest").unlink()
    with pytest.raises(ValueError, match="a bundle holds its digest, but there is none"):
        bundle.load(path)


def test_a_foreign_family_is_refused(packed, tmp_path):
    path = tmp_path / "b"
    bundle.save(packed, path)
    head = json.loads((path / "bundle.json").read_text()) | {"family": "their-own"}
    (path / "bundle.json").write_text(json.dumps(head))
    (path / "digest").write_text(bundle._digest(path))
    with pytest.raises(ValueError, match=r"the family must be one of .*, but got 'their-own'"):
        bundle.load(path)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds bundle.json"):
        bundle.load(tmp_path)
