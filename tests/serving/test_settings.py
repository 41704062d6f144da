"""Which bundle a process serves, and which it tries beside it."""

import re
from pathlib import Path

import pytest

from serving.settings import BUNDLE_VARIABLE, CHALLENGER_VARIABLE, TRIAL_VARIABLE, bundle_path, trial
from serving.trial.config import TrialConfig


def test_the_named_bundle_is_served(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE_VARIABLE, str(bundle_folder))
    assert bundle_path() == bundle_folder


def test_no_bundle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BUNDLE_VARIABLE, raising=False)
    with pytest.raises(
        ValueError, match="none is packed and ENCORE_BUNDLE is not set: serve a Bento, or set"
    ):
        bundle_path()


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE_VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"which has no bundle\.json: give the folder"):
        bundle_path()


def of_trial(monkeypatch: pytest.MonkeyPatch, folder: str, text: str) -> object:
    monkeypatch.setenv(CHALLENGER_VARIABLE, folder)
    monkeypatch.setenv(TRIAL_VARIABLE, text)
    return trial()


def test_a_trial_is_a_folder_and_a_way(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = of_trial(monkeypatch, str(bundle_folder), '{"mode": "canary", "share": 0.1}')
    assert asked == (bundle_folder, TrialConfig(mode="canary", share=0.1))
    assert of_trial(monkeypatch, "", "") is None


@pytest.mark.parametrize(
    ("folder", "text", "said"),
    [
        ("", '{"mode": "shadow"}', "but got ENCORE_TRIAL without ENCORE_CHALLENGER: set both, or none"),
        ("/", "", "but got ENCORE_CHALLENGER without ENCORE_TRIAL: set both, or none"),
        ("/nothing/here", '{"mode": "shadow"}', "ENCORE_CHALLENGER must be a folder, but got /nothing/here"),
        ("/", '{"mode": "both"}', "ENCORE_TRIAL: mode: input should be 'shadow' or 'canary', but got 'both'"),
        ("/", '{"mode": "canary"}', "ENCORE_TRIAL: a canary needs a share below 1, but got 1"),
        ("/", '{"mode": "shadow", "revert": {"min_overlp": 1}}', "revert.min_overlp: no such field"),
    ],
)
def test_a_wrong_trial_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, folder: str, text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        of_trial(monkeypatch, folder, text)
    assert "\n" not in str(error.value)
