"""A run is read from TOML; every mistake is one line that names file and key."""

from pathlib import Path

import pytest

from flows.compute.config import ComputeConfig
from flows.config import ConfigError, load
from models.tokenizers.product import ProductConfig
from models.tokenizers.residual_kmeans import ResidualKMeansConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
GOOD = """
name = "x"
[source]
kind = "synthetic"
[windows]
valid_cutoff = 2017-11-01
test_cutoff = 2017-12-01
[families.popularity]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["default.toml", "encore.toml", "smoke.toml"])
def test_the_shipped_configs_are_complete_runs(name):
    assert load(CONFIGS / name).families


def test_a_date_is_midnight_utc(tmp_path):
    windows = load(written(tmp_path, GOOD)).windows
    # 2017-11-01 is 17,471 days after 1970-01-01, 2017-12-01 thirty days more
    assert windows.bounds("valid") == (17_471 * 86_400, 17_501 * 86_400)
    assert windows.bounds("test") == (17_501 * 86_400, None)


def test_windows_in_days_end_with_the_day_of_the_newest_event(tmp_path):
    text = GOOD.replace("valid_cutoff = 2017-11-01", "valid_days = 30").replace(
        "test_cutoff = 2017-12-01", "test_days = 7"
    )
    config = load(written(tmp_path, text))
    placed = config.at(17_507 * 86_400 + 5).windows  # newest event: 2017-12-07, five seconds past midnight
    assert placed.bounds("test") == (17_501 * 86_400, None)
    assert placed.bounds("valid") == (17_471 * 86_400, 17_501 * 86_400)
    with pytest.raises(ValueError, match=r"call at\(newest\) first"):
        config.windows.bounds("test")


def test_a_tokenizer_without_a_kind_is_residual_kmeans(tmp_path):
    config = load(written(tmp_path, GOOD + "[tokenizer]\nn_levels = 3"))
    assert config.tokenizer == ResidualKMeansConfig(n_levels=3) != load(written(tmp_path, GOOD)).tokenizer


def test_tokenizer_and_encoder_are_chosen_by_kind(tmp_path):
    tokenizer = '[tokenizer]\nkind = "product"\nn_levels = 8\n'
    encoder = '[encoder]\nkind = "mix"\nparts = ["tfidf", "categories"]'
    config = load(written(tmp_path, GOOD + tokenizer + encoder))
    assert config.tokenizer == ProductConfig(n_levels=8)
    assert [part.encoder.kind for part in config.encoder.parts] == ["tfidf", "categories"]


def test_windows_by_date_stay_where_they_are(tmp_path):
    config = load(written(tmp_path, GOOD))
    assert config.at(0) == config


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (GOOD.replace("valid_cutoff = 2017-11-01", "valid_days = 3"), r"windows: .*nothing else"),
        (GOOD.replace("[source]", "typo = 1\n[source]"), r"run.toml: typo: Extra inputs"),
        (GOOD + "half_life = 3", r"run.toml: families.*half_life"),
        (GOOD + "[families.nope]", r"run.toml: families.*must be one of popularity.*but got 'nope'"),
        (GOOD + "[gate]\nmin_users = 0", r"run.toml: gate.min_users: .*greater than or equal to 1 \(got 0\)"),
        (GOOD.replace("2017-12-01", "2017-10-01"), r"run.toml: windows: .*must follow each other"),
        (GOOD.replace('"synthetic"', '"nope"'), r"run.toml: source: .*'nope'"),
        (GOOD + '[tokenizer]\nkind = "nope"', r"run.toml: tokenizer: .*'nope'.*'residual-kmeans'"),
        (GOOD + "[tokenizer]\nn_slots = 3", r"run.toml: tokenizer.*n_slots: Extra inputs"),
        (GOOD + '[encoder]\nkind = "nope"', r"run.toml: encoder: .*'nope'.*'tfidf'"),
        ("name = ", r"run.toml: the file must be TOML"),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path, bad, line):
    with pytest.raises(ConfigError, match=line) as caught:
        load(written(tmp_path, bad))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"nope\.toml: a run needs a TOML file, but there is none"):
        load(tmp_path / "nope.toml")


def test_several_processes_change_the_result_and_where_they_run_does_not(tmp_path):
    config = load(written(tmp_path, GOOD + '[compute]\nprocesses = 2\nray = "10.0.0.1:6379"\n'))
    assert type(config)(**config.model_dump(mode="json")) == config
    assert config.of_result().compute == ComputeConfig(processes=2)
    assert load(written(tmp_path, GOOD)).compute == ComputeConfig(processes=1, ray="")


def test_a_device_places_every_family_that_trains_and_names_none(tmp_path):
    more = '[families.sasrec]\nd_model = 32\n[families.tiger]\ndevice = "cpu"\n'
    text = GOOD.replace("[source]", 'device = "cuda:1"\n[source]') + more
    config = load(written(tmp_path, text))
    assert config.families == {
        "popularity": {},
        "sasrec": {"device": "cuda:1", "d_model": 32},
        "tiger": {"device": "cpu"},
    }
    assert type(config)(**config.model_dump(mode="json")) == config
    assert load(written(tmp_path, GOOD + more)).families["sasrec"] == {"d_model": 32}
    with pytest.raises(ConfigError, match=r"run\.toml: families.*device.*should match pattern"):
        load(written(tmp_path, text.replace("cuda:1", "A100")))


@pytest.mark.parametrize("wrong", ['ray = "ray://10.0.0.1:10001"', 'ray = "10.0.0.1"', "processes = 0"])
def test_what_is_no_cluster_and_no_number_is_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match=r"run\.toml: compute\."):
        load(written(tmp_path, GOOD + f"[compute]\n{wrong}\n"))
