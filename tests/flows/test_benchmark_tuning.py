"""A study is used as far as it reaches: its best trial is a fit, and its settings go to other data sets."""

import shutil
from copy import deepcopy
from dataclasses import replace

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from flows.benchmark.asked import Asked
from flows.benchmark.config import contenders, load
from flows.benchmark.found import found_before
from flows.benchmark.pieces import Pieces
from flows.benchmark.run import benchmark
from flows.benchmark.table.render import document
from flows.config import ConfigError
from flows.environment import Home
from models.families import FAMILIES
from models.recommenders.sasrec import SASRecConfig
from tests.flows.circle import CONFIG, timeless, write_ring

TWO = CONFIG.replace('recipe = "transitions"', 'recipe = "transitions"\ntune_on = "ring"') + (
    CONFIG[CONFIG.index("[datasets.ring]") : CONFIG.index("[encoder]")].replace("ring", "other")
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_ring(root)
    write_ring(root, "other", n_users=30)
    return root


def config_of(text, folder):
    (folder / "circle.toml").write_text(text)
    return load(folder / "circle.toml")


def test_the_best_trial_is_the_fit_of_its_seed(data, tmp_path, monkeypatch):
    config, home = config_of(CONFIG, tmp_path), Home(tmp_path / "home")
    asked = Asked(data, ("sasrec",), seeds=1, refit=False, ablations=False)
    first = benchmark(config, asked, home, lambda _: None)
    (fit,) = home.root.glob("work/benchmark/circle/ring/sasrec-seed-0-*")

    shutil.rmtree(fit)
    with monkeypatch.context() as broken:
        broken.setattr("models.learning.training._one_epoch", lambda *_: pytest.fail("trained again"))
        again = benchmark(config, asked, home, lambda _: None)
    assert timeless(again["datasets"]) == timeless(first["datasets"])

    shutil.rmtree(fit)
    (trial,) = home.root.glob("work/benchmark/circle/ring/sasrec-tune-*/best.safetensors")
    trial.unlink()
    from_nothing = benchmark(config, asked, home, lambda _: None)
    assert timeless(from_nothing["datasets"]) == timeless(first["datasets"])


def test_settings_found_on_one_data_set_are_used_on_the_other(data, tmp_path):
    config, home = config_of(TWO, tmp_path), Home(tmp_path / "home")
    asked = Asked(data, ("transitions", "sasrec"), ("other",), seeds=1, refit=False)
    result = benchmark(config, asked, home, lambda _: None)
    rows = {row["name"]: row for row in result["datasets"]["other"]["rows"]}
    assert set(rows) == {"transitions", "sasrec", "sasrec/narrow-rows"}
    for row in rows.values():
        assert row["tuning"]["on"] == "ring"
        assert row["tuning"]["trials"] == 2
    assert "of ring alone; the settings found are used on every data set" in document(result)
    tuned = {folder.parent.name for folder in home.root.glob("work/benchmark/circle/*/*-tune-*")}
    assert tuned == {"ring"}

    both = benchmark(config, Asked(data, ("sasrec",), seeds=1, refit=False), home, lambda _: None)
    (there,) = (row for row in both["datasets"]["ring"]["rows"] if row["name"] == "sasrec")
    assert there["settings"] == rows["sasrec"]["settings"]
    assert there["test"] != rows["sasrec"]["test"]  # another data set


def test_settings_that_a_result_holds_are_fitted_without_tuning(data, tmp_path):
    config = config_of(TWO, tmp_path)
    asked = Asked(data, ("transitions", "sasrec"), ("ring",), seeds=1, refit=False)
    before = benchmark(config, asked, Home(tmp_path / "tuned"), lambda _: None)

    home, again = Home(tmp_path / "found"), replace(asked, datasets=(), found=True)
    result = benchmark(config, again, home, lambda _: None, before)
    assert not list(home.root.glob("work/benchmark/circle/*/*-tune-*"))
    here, then = (timeless(each["datasets"]["ring"]["rows"]) for each in (result, before))
    for row, tuned in zip(here, then, strict=True):
        assert row["tuning"].pop("differs") == {}
        assert row["tuning"].pop("fixed") == config.families[row["family"]]
        assert row == tuned
    other = {row["name"]: row for row in result["datasets"]["other"]["rows"]}
    assert other["sasrec"]["settings"] == here[1]["settings"]
    assert "- other: settings of an earlier study: sasrec\n" in document(result)


def test_what_was_fixed_otherwise_in_the_trials_is_told(data, tmp_path):
    config = config_of(TWO, tmp_path)
    asked = Asked(data, ("sasrec",), ("ring",), seeds=1, refit=False, ablations=False)
    before = benchmark(config, asked, Home(tmp_path / "tuned"), lambda _: None)

    shorter = config_of(TWO.replace("epochs = 3", "epochs = 2"), tmp_path)
    again = replace(asked, found=True)
    for earlier in (before, benchmark(shorter, again, Home(tmp_path / "found"), lambda _: None, before)):
        result = benchmark(shorter, again, Home(tmp_path / "found"), lambda _: None, earlier)
        (row,) = result["datasets"]["ring"]["rows"]
        assert row["tuning"]["differs"] == {"epochs": [3, 2]}
        assert row["seeds"][0]["settings"]["epochs"] == 2
        assert "sasrec (epochs 3 in its trials, 2 in the fit)" in document(result)


def test_a_setting_that_the_code_no_longer_has_is_named(tmp_path):
    (sasrec, *_) = contenders(config_of(TWO, tmp_path), ["sasrec"])
    row = {"name": "sasrec", "settings": sasrec.settings({}), "tuning": {"fixed": {"forgotten": 3}}}
    row["settings"] |= dict.fromkeys(FAMILIES["sasrec"].space, 1)
    earlier = {"config": {"families": {"sasrec": {}}}, "datasets": {"ring": {"rows": [row]}}}
    with pytest.raises(ConfigError, match=r"sasrec: --found takes .*forgotten: Extra .*without --found"):
        found_before(earlier, sasrec, "ring", Pieces(tmp_path))


def test_who_has_no_row_or_lacks_a_setting_is_tuned_and_it_is_told(data, tmp_path, caplog):
    config = config_of(TWO, tmp_path)
    asked = Asked(data, ("sasrec",), ("ring",), seeds=1, refit=False, ablations=False, found=True)
    before = benchmark(config, asked, Home(tmp_path / "tuned"), lambda _: None, None)
    assert before["datasets"]["ring"]["rows"][0]["tuning"]["trials"] == 2
    lacking = deepcopy(before)
    lacking["datasets"]["ring"]["rows"][0]["settings"].pop("learning_rate")
    for earlier in ({"datasets": {}}, lacking):
        home = Home(tmp_path / f"home-{len(earlier['datasets'])}")
        caplog.clear()
        benchmark(config, asked, home, lambda _: None, earlier)
        assert list(home.root.glob("work/benchmark/circle/ring/sasrec-tune-*"))
        assert "no settings of sasrec for ring: it is tuned" in caplog.text


def test_tuning_on_a_data_set_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"tune_on must name one of \['ring'\], but got 'nowhere'"):
        config_of(CONFIG.replace("threads = 1", 'threads = 1\ntune_on = "nowhere"'), tmp_path)


def test_a_study_begins_where_the_config_says(data, tmp_path):
    text = CONFIG.replace("max_length = 10", "max_length = 10\nfirst = { dropout = 0.3, weight_decay = 0.1 }")
    config, home = config_of(text, tmp_path), Home(tmp_path / "home")
    asked = Asked(data, ("sasrec",), seeds=1, refit=False, ablations=False)
    benchmark(config, asked, home, lambda _: None)

    (journal,) = home.root.glob("work/benchmark/circle/ring/sasrec-tune-*/study.journal")
    (study,) = JournalStorage(JournalFileBackend(str(journal))).get_all_studies()
    first, second = optuna.load_study(
        study_name=study.study_name, storage=JournalStorage(JournalFileBackend(str(journal)))
    ).trials
    assert (first.params["dropout"], first.params["weight_decay"]) == (0.3, 0.1)
    assert first.params["learning_rate"] == SASRecConfig().learning_rate
    assert second.params["dropout"] != 0.3


@pytest.mark.parametrize("first", ["{ d_model = 16 }", "{ nope = 1 }"])
def test_only_a_tuned_setting_may_begin_otherwise(first, tmp_path):
    config = config_of(CONFIG.replace("max_length = 10", f"max_length = 10\nfirst = {first}"), tmp_path)
    with pytest.raises(ConfigError, match="sasrec: a setting in `first` must be one of learning_rate"):
        contenders(config)
