"""Rows of an earlier result: kept where they are of the same comparison, told where they are not."""

import json
from copy import deepcopy

import numpy as np
import pytest

from flows.benchmark.table.files import read, write
from flows.benchmark.table.keep import keep
from flows.benchmark.table.ranks import metrics, over_seeds, pack, unpack
from flows.benchmark.table.render import document
from flows.config import ConfigError
from validation.evaluation.report import Report

RANKS = {"encore": (1, 2, 0, 1), "tiger": (3, 0, 0, 20), "item-knn": (1, 0, 0, 2)}
MACHINE = {"processor": "Abacus", "threads": 1, "torch": "9.9"}
OLD, NEW = (
    {"commit": commit, "code": f"code-{commit}", "date": day, "machine": MACHINE}
    for commit, day in (("aaa", "2026-01-01"), ("bbb", "2026-02-02"))
)
MASKED = {
    "split": "leave-one-out",
    "target": "next item",
    "candidates": "full catalogue",
    "seen_masked": True,
}
MASKED |= {"cold_targets": "kept", "hits": "item by item", "ties": "smaller id", "fitted_on": "train"}
CONFIG = {
    **dict.fromkeys(("validation_users", "tune_on", "filters"), None),
    "seed": 0,
    "threads": 1,
    "metric": "ndcg@10",
    "recipe": "encore",
    "tuning": {"trials": 4},
    "families": {"encore": {"items": "short", "members": 2}, "item-knn": {}, "tiger": {}},
    "ablations": {"encore": {"no-ids": {"views": ["codes"]}}},
    "items": {"short": {"encoder": None, "tokenizer": {"kind": "product"}}},
    "encoder": {"kind": "tfidf"},
    "tokenizer": {"kind": "residual"},
    "cold": {"decay": 0.7, "families": []},
}


def report_of(ranks):
    """What `evaluate` would say of users whose targets stood there."""
    ranks = np.array(ranks, dtype=float)
    hit = (ranks > 0) & (ranks <= 10)
    found = {
        "mrr@20": np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0),
        "recall@10": hit.astype(float),
        "ndcg@10": np.where(hit, 1 / np.log2(np.maximum(ranks, 1) + 1), 0),
    }
    keys = [str(user) for user in range(len(ranks))]
    everyone = {"all": np.ones(len(ranks), dtype=bool)}
    return Report(None, "tiger", "tiger", keys, found, 0.5, 10, 0.0, 0.0, everyone)


def part(name, made, seeds, ranks=None):
    numbers = metrics(np.array(RANKS.get(name, RANKS["encore"]), dtype=float)).mean(axis=0)
    each = dict.fromkeys((f"{m}@{k}" for m in ("recall", "ndcg") for k in (5, 20)), 0.0)
    each |= dict(zip(("recall@10", "ndcg@10"), map(float, numbers), strict=True))
    test = {way: {m: {"mean": v, "sd": 0.0} for m, v in each.items()} for way in ("masked", "unmasked")}
    fits = [
        {"seed": seed, "epochs": 5, "test": dict.fromkeys(("masked", "unmasked"), each)}
        for seed in range(seeds)
    ]
    seconds = {"mean": 9.0, "sd": 0.0}
    return {"test": test, "seeds": fits, "made": [made], "fit_seconds": seconds, "fit_cpu_seconds": seconds}


def row(name, made=OLD, seeds=1, refits=0):
    parent, _, change = name.partition("/")
    packed = [pack(report_of(RANKS.get(name, RANKS["encore"])))] * seeds
    found = part(name, made, seeds) | {
        "name": name,
        "family": parent,
        "ablation_of": parent if change else None,
        "parameters": 7,
        "tuning": {"trials": 4, "seconds": 8.0, "cpu_seconds": 8.0},
        "ranks": {"masked": packed, "unmasked": packed},
    }
    return found | ({"refitted": part(name, made, refits)} if refits else {})


def dataset(*rows, cold=None, snapshot="s1"):
    return {
        "profile": {"snapshot": snapshot, "users": 4, "items": 9, "events": 30},
        "protocol": {
            f"fitted on {on}, {way}": MASKED | {"seen_masked": way == "masked", "fitted_on": on}
            for on in ("train", "train + validation")
            for way in ("masked", "unmasked")
        },
        "rows": list(rows),
        "published": [],
        "significance": None,
        "cold": cold,
    }


def cold(made, *names, share=0.05):
    rows = {name: {"full": {"recall@10": 0.1}, "within": {"recall@10": 0.5}} for name in names}
    return {"share": share, "items": 3, "users": 2, "rows": rows, "made": {name: [made] for name in names}}


def result(**datasets):
    return {
        "benchmark": "two-shops",
        "title": "Shops",
        "command": "encore benchmark two-shops",
        "commit": "ccc",
        "code": "code-ccc",
        "machine": MACHINE,
        "seeds": 3,
        "config": deepcopy(CONFIG),
        "datasets": datasets,
    }


def kept(now, earlier):
    """Merged; neither of the two is changed by it."""
    before = deepcopy((now, earlier))
    merged = keep(now, earlier, ["beauty", "sports"])
    assert (now, earlier) == before
    return merged


def names(merged, where="beauty"):
    return {each["name"]: each.get("kept", False) for each in merged["datasets"][where]["rows"]}


def test_without_an_earlier_file_nothing_changes():
    now = result(beauty=dataset(row("encore")))
    assert kept(now, None) == now | {"not_kept": []}


def test_rows_of_families_that_were_not_measured_now_stay_with_their_origin():
    merged = kept(
        result(beauty=dataset(row("item-knn", NEW))),
        result(beauty=dataset(row("encore", refits=2), row("tiger"))),
    )
    assert names(merged) == {"encore": True, "item-knn": False, "tiger": True}
    assert list(names(merged)) == ["encore", "item-knn", "tiger"]  # as the config has them
    encore, measured, _ = merged["datasets"]["beauty"]["rows"]
    assert (encore["made"], measured["made"]) == ([OLD], [NEW])
    assert (encore["refitted"]["made"], encore["refitted"]["kept"]) == ([OLD], True)
    assert merged["not_kept"] == []


def test_a_row_measured_now_takes_the_place_of_the_earlier_one():
    merged = kept(result(beauty=dataset(row("tiger", NEW))), result(beauty=dataset(row("tiger", OLD))))
    assert names(merged) == {"tiger": False}
    assert merged["datasets"]["beauty"]["rows"][0]["made"] == [NEW]


def test_more_seeds_stand_against_fewer_and_it_is_told():
    merged = kept(
        result(beauty=dataset(row("encore", NEW, seeds=1, refits=3))),
        result(beauty=dataset(row("encore", OLD, seeds=3, refits=1))),
    )
    (found,) = merged["datasets"]["beauty"]["rows"]
    assert (len(found["seeds"]), found["made"]) == (3, [OLD])
    assert (len(found["refitted"]["seeds"]), found["refitted"]["made"]) == (3, [NEW])
    (line,) = merged["not_kept"]
    assert line == (
        "beauty: not kept: encore of this run (seeds: 1 measured now, the earlier row has 3 and stands)"
    )


def test_what_is_kept_is_kept_again_with_the_same_origin():
    first = kept(result(beauty=dataset(row("tiger", NEW))), result(beauty=dataset(row("encore", OLD))))
    again = kept(result(beauty=dataset(row("item-knn", NEW))), first | {"commit": "ddd"})
    assert names(again) == {"encore": True, "item-knn": False, "tiger": True}
    assert [each["made"] for each in again["datasets"]["beauty"]["rows"]] == [[OLD], [NEW], [NEW]]


def test_rows_without_an_origin_get_that_of_their_table_and_no_day():
    old = row("encore")
    for gone in ("made", "ranks", "fit_cpu_seconds"):
        del old[gone]
    merged = kept(result(beauty=dataset(row("tiger", NEW))), result(beauty=dataset(old)))
    (origin,) = merged["datasets"]["beauty"]["rows"][0]["made"]
    assert origin == {"commit": "ccc", "code": "code-ccc", "machine": MACHINE, "date": None, "of": "table"}
    page = document(merged)
    assert "a table rendered at commit ccc, code code-ccc; Abacus" in page
    assert "| encore ° |" in page
    assert "| 9.0 w |" in page


def test_data_that_this_machine_has_not_opened_keep_their_table():
    merged = kept(
        result(beauty=dataset(row("tiger", NEW))), result(sports=dataset(row("encore"), snapshot="s2"))
    )
    assert names(merged, "sports") == {"encore": True}
    assert list(merged["datasets"]) == ["beauty", "sports"]
    assert merged["datasets"]["sports"]["profile"]["snapshot"] == "s2"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda old: old["datasets"]["beauty"]["profile"].update(snapshot="s0"),
            "data, snapshot was s0 and is s1",
        ),
        (lambda old: old["datasets"]["beauty"]["profile"].update(users=5), "data, users was 5 and is 4"),
        (
            lambda old: old["datasets"]["beauty"]["protocol"]["fitted on train, masked"].update(
                ties="random"
            ),
            "protocol, fitted on train, masked was ",
        ),
        (lambda old: old["config"].update(threads=2), "setting threads was 2 and is 1"),
        (lambda old: old["config"].update(tuning={"trials": 9}), "setting tuning was {'trials': 9}"),
    ],
)
def test_nothing_is_kept_across_other_data_protocols_or_settings(change, line):
    old = result(beauty=dataset(row("encore"), row("item-knn")))
    change(old)
    merged = kept(result(beauty=dataset(row("tiger", NEW))), old)
    assert names(merged) == {"tiger": False}
    (told,) = merged["not_kept"]
    assert told.startswith("beauty: not kept: none of encore, item-knn (")
    assert line in told
    assert told in document(merged)


def test_another_protocol_of_one_data_set_voids_the_tables_of_the_others():
    old = result(sports=dataset(row("encore")))
    old["datasets"]["sports"]["protocol"]["fitted on train, masked"]["ties"] = "random"
    merged = kept(result(beauty=dataset(row("tiger", NEW))), old)
    assert list(merged["datasets"]) == ["beauty"]
    assert "'ties': 'random'" in merged["not_kept"][0]


@pytest.mark.parametrize(
    ("change", "gone", "line"),
    [
        (
            lambda now: now["families"]["encore"].update(members=3),
            {"encore", "encore/no-ids"},
            "settings of encore",
        ),
        (
            lambda now: now["items"]["short"].update(tokenizer=None),
            {"encore", "encore/no-ids"},
            "vectors and codes",
        ),
        (
            lambda now: now.update(encoder={"kind": "minilm"}),
            {"encore", "encore/no-ids", "item-knn"},
            "vectors",
        ),
        (
            lambda now: now["ablations"]["encore"]["no-ids"].update(views=[]),
            {"encore/no-ids"},
            "the ablation was",
        ),
        (lambda now: now["ablations"].clear(), {"encore/no-ids"}, "the config no longer has it"),
        (lambda now: now["families"].pop("item-knn"), {"item-knn"}, "the config no longer has it"),
    ],
)
def test_other_settings_of_a_row_void_that_row_alone(change, gone, line):
    old = result(beauty=dataset(row("encore"), row("encore/no-ids"), row("item-knn")))
    now = result(beauty=dataset(row("tiger", NEW)))
    change(now["config"])
    merged = kept(now, old)
    assert set(names(merged)) == {"encore", "encore/no-ids", "item-knn", "tiger"} - gone
    assert len(merged["not_kept"]) - sum("a comparison" in told for told in merged["not_kept"]) == len(gone)
    assert all(line in told for told in merged["not_kept"] if "a comparison" not in told)


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ({"seeds": 1}, {"seeds": 1}, 0),
        ({"seeds": 3}, {"seeds": 1}, 1),
        ({"seeds": 1, "refits": 1}, {"seeds": 1}, 1),
        ({"seeds": 1, "refits": 1}, {"seeds": 2, "refits": 1}, 0),
    ],
)
def test_a_row_of_other_settings_that_was_measured_as_often_is_not_missed(then, now, told):
    old = result(beauty=dataset(row("encore", OLD, **then)))
    new = result(beauty=dataset(row("encore", NEW, **now)))
    new["config"]["families"]["encore"].update(members=3)
    merged = kept(new, old)
    assert names(merged) == {"encore": False}
    assert len(merged["not_kept"]) == told


def test_data_that_the_config_no_longer_has_are_told():
    merged = kept(result(beauty=dataset(row("tiger", NEW))), result(toys=dataset(row("encore"))))
    assert list(merged["datasets"]) == ["beauty"]
    assert merged["not_kept"] == ["toys: not kept: none of encore (the config no longer has these data)"]


def test_users_ranks_let_a_kept_row_be_compared():
    merged = kept(result(beauty=dataset(row("item-knn", NEW))), result(beauty=dataset(row("encore", OLD))))
    found = merged["datasets"]["beauty"]["significance"]
    assert (found["recipe"], found["baseline"]) == ("encore", "item-knn")
    assert found["masked"]["recall@10"]["difference"] == pytest.approx(0.75 - 0.5)
    assert "kept" not in found


def without_ranks(found):
    for each in found["datasets"]["beauty"]["rows"]:
        del each["ranks"]
    return found


BEFORE = {
    "recipe": "encore",
    "baseline": "item-knn",
    **{
        way: {"ndcg@10": {"difference": 0.25, "low": 0.1, "high": 0.3, "relative": 0.5, "p_better": 1.0}}
        for way in ("masked", "unmasked")
    },
}


def test_without_ranks_the_earlier_comparison_of_two_kept_rows_is_kept():
    old = without_ranks(result(beauty=dataset(row("encore"), row("item-knn"))))
    old["datasets"]["beauty"]["significance"] = BEFORE
    merged = kept(result(beauty=dataset(row("tiger", NEW))), old)
    found = merged["datasets"]["beauty"]["significance"]
    assert found["masked"] == BEFORE["masked"]
    assert found["kept"]
    assert found["made"][0]["commit"] == "ccc"
    assert "Kept from an earlier table of the same rows." in document(merged)


def test_without_ranks_a_comparison_with_a_row_of_now_is_told_to_be_lost():
    old = without_ranks(result(beauty=dataset(row("encore"), row("item-knn"))))
    old["datasets"]["beauty"]["significance"] = BEFORE
    merged = kept(result(beauty=dataset(row("item-knn", NEW))), old)
    assert merged["datasets"]["beauty"]["significance"] is None
    assert merged["not_kept"] == [
        "beauty: not kept: a comparison of encore and item-knn (the ranks of the users of both are not there)"
    ]


def test_held_out_items_keep_their_rows_if_the_same_were_held_out():
    before, after = cold(OLD, "text similarity", "tiger"), cold(NEW, "text similarity", "encore")
    merged = kept(
        result(beauty=dataset(row("encore", NEW), cold=after)),
        result(beauty=dataset(row("tiger"), cold=before)),
    )
    found = merged["datasets"]["beauty"]["cold"]
    assert set(found["rows"]) == {"text similarity", "tiger", "encore"}
    assert found["kept"] == ["tiger"]
    assert found["made"]["tiger"] == [OLD]
    assert found["made"]["text similarity"] == [NEW]
    assert "tiger on cold items" in document(merged)

    not_asked = kept(
        result(beauty=dataset(row("encore", NEW))), result(beauty=dataset(row("tiger"), cold=before))
    )
    assert not_asked["datasets"]["beauty"]["cold"]["kept"] == ["text similarity", "tiger"]


def test_other_held_out_items_void_the_earlier_table():
    after = cold(NEW, "encore", share=0.1)
    merged = kept(
        result(beauty=dataset(row("encore", NEW), cold=after)),
        result(beauty=dataset(row("tiger"), cold=cold(OLD, "tiger"))),
    )
    assert merged["datasets"]["beauty"]["cold"] == after
    assert merged["not_kept"] == [
        "beauty: not kept: the table of cold items (share was 0.05 and is 0.1)",
    ]


def test_a_model_with_other_settings_leaves_the_table_of_held_out_items():
    now = result(beauty=dataset(row("item-knn", NEW), cold=cold(NEW, "item-knn")))
    now["config"]["families"]["tiger"] = {"d_model": 9}
    merged = kept(now, result(beauty=dataset(cold=cold(OLD, "tiger", "by chance"))))
    assert set(merged["datasets"]["beauty"]["cold"]["rows"]) == {"item-knn", "by chance"}
    assert any("tiger for cold items (settings of tiger was" in told for told in merged["not_kept"])


def test_a_result_comes_back_from_disk_with_its_ranks(tmp_path):
    now = result(beauty=dataset(row("encore", seeds=2), row("item-knn"))) | {"not_kept": []}
    write(now, tmp_path)
    assert read(tmp_path, "two-shops") == now
    assert "ranks" not in (tmp_path / "two_shops.json").read_text()
    assert read(tmp_path, "another") is None


def test_ranks_that_are_not_of_the_row_are_left_out(tmp_path):
    write(result(beauty=dataset(row("encore"), row("item-knn"))), tmp_path)
    path = tmp_path / "two_shops_ranks.json"
    ranks = json.loads(path.read_text())
    ranks["beauty"]["encore"] = ranks["beauty"]["item-knn"]
    path.write_text(json.dumps(ranks))
    encore, other = read(tmp_path, "two-shops")["datasets"]["beauty"]["rows"]
    assert "ranks" not in encore
    assert "ranks" in other


def test_large_ranks_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.benchmark.table.files.LARGEST", 10)
    write(result(beauty=dataset(row("encore"))), tmp_path)
    assert json.loads((tmp_path / "two_shops_ranks.json").read_text()) == {"beauty": {}}


@pytest.mark.parametrize("text", ["no json", "[]", '{"datasets": {"beauty": {}}}'])
def test_a_file_that_is_no_result_is_told(tmp_path, text):
    (tmp_path / "two_shops.json").write_text(text)
    with pytest.raises(ConfigError, match=r"two_shops\.json: the file must be a result of encore benchmark"):
        read(tmp_path, "two-shops")


def test_ranks_give_back_what_was_measured():
    ranks = np.random.default_rng(0).integers(0, 21, size=20_000)
    found = report_of(ranks)
    text = pack(found)
    assert np.array_equal(unpack(text), ranks)
    assert np.array_equal(metrics(unpack(text))[:, 0], found.values("recall@10"))
    assert np.allclose(metrics(unpack(text))[:, 1], found.values("ndcg@10"))
    assert np.allclose(over_seeds([text, pack(report_of(0 * ranks))]), metrics(unpack(text)) / 2)
    sparse = np.where(np.random.default_rng(1).random(20_000) < 0.15, ranks, 0)  # as tables are
    assert len(pack(report_of(sparse))) < 8_000


def test_users_with_several_targets_are_not_packed():
    found = report_of((1, 2))
    found.metrics["recall@10"][:] = 0.5
    with pytest.raises(ValueError, match="ranks need one target a user"):
        pack(found)
