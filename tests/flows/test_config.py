"""A run is read from TOML; every mistake is one line that names file and key."""

from pathlib import Path

import pytest

from flows.config import ConfigError, load

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


@pytest.mark.parametrize("name", ["default.toml", "smoke.toml"])
def test_the_shipped_configs_are_complete_runs(name):
    assert load(CONFIGS / name).families


def test_a_date_is_midnight_utc(tmp_path):
    windows = load(written(tmp_path, GOOD)).windows
    # 2017-11-01 is 17,471 days after 1970-01-01, 2017-12-01 thirty days more
    assert windows.bounds("valid") == (17_471 * 86_400, 17_501 * 86_400)
    assert windows.bounds("test") == (17_501 * 86_400, None)


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (GOOD.replace("[source]", "typo = 1\n[source]"), r"run.toml: typo: Extra inputs"),
        (GOOD + "half_life = 3", r"run.toml: families.*half_life"),
        (GOOD + "[families.nope]", r"run.toml: families.*must be one of popularity.*but got 'nope'"),
        (GOOD + "[gate]\nmin_users = 0", r"run.toml: gate.min_users: .*greater than or equal to 1 \(got 0\)"),
        (GOOD.replace("2017-12-01", "2017-10-01"), r"run.toml: windows: .*must follow each other"),
        (GOOD.replace('"synthetic"', '"nope"'), r"run.toml: source: .*'nope'"),
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
