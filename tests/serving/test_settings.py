"""Which bundle a process serves, and which it tries beside it."""

import re
from pathlib import Path

import pytest

from serving.settings import (
    BUNDLE_VARIABLE,
    CHALLENGER_VARIABLE,
    IN_FLIGHT_VARIABLE,
    LOG_VARIABLE,
    MAX_BATCH_VARIABLE,
    ORIGINS_VARIABLE,
    RATE_VARIABLE,
    TIMEOUT_VARIABLE,
    TOKEN_VARIABLE,
    TOKENS_FILE_VARIABLE,
    TOKENS_VARIABLE,
    TRIAL_VARIABLE,
    bundle_path,
    keyring,
    limits,
    logs_requests,
    max_batch,
    origins,
    trial,
)
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


def test_keys_come_from_a_variable_or_a_file_and_beside_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = '{"keys": [{"name": "shop", "roles": ["read"], "sha256": "' + "0" * 64 + '"}]}'
    assert len(keyring()) == 0
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
    monkeypatch.setenv(TOKENS_VARIABLE, listed)
    assert len(keyring()) == 2
    monkeypatch.setenv(TOKENS_VARIABLE, "")
    (tmp_path / "keys.toml").write_text(f'[[keys]]\nname = "shop"\nroles = ["read"]\nsha256 = "{"0" * 64}"\n')
    monkeypatch.setenv(TOKENS_FILE_VARIABLE, str(tmp_path / "keys.toml"))
    assert len(keyring()) == 2


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({TOKENS_VARIABLE: "{}", TOKENS_FILE_VARIABLE: "/x"}, "keys are listed in one place, but got"),
        ({TOKENS_VARIABLE: "[]"}, "ENCORE_TOKENS: body: input should be an object"),
        ({TOKENS_FILE_VARIABLE: "/no/such/keys.json"}, "ENCORE_TOKENS_FILE: [Errno 2] No such file"),
    ],
)
def test_wrong_keys_are_told_in_one_line(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        keyring()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (RATE_VARIABLE, "fast", "ENCORE_RATE: a rate must be requests per second"),
        (IN_FLIGHT_VARIABLE, "0", "in_flight: input should be greater than or equal to 1"),
        (TIMEOUT_VARIABLE, "30", "timeout_seconds: input should be less than 30"),
        (ORIGINS_VARIABLE, "*", "ENCORE_ORIGINS: an origin must be scheme://host"),
        (LOG_VARIABLE, "yes", "ENCORE_LOG must be requests or off, but got 'yes'"),
    ],
)
def test_a_wrong_limit_is_told_in_one_line(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        limits(), origins(), logs_requests()
    assert "\n" not in str(error.value)


def test_a_batch_has_at_least_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MAX_BATCH_VARIABLE, raising=False)
    assert max_batch() == 64
    monkeypatch.setenv(MAX_BATCH_VARIABLE, "1")
    assert max_batch() == 1
    for text in ("0", "-1", "1.5", "off"):
        monkeypatch.setenv(MAX_BATCH_VARIABLE, text)
        with pytest.raises(ValueError, match=f"ENCORE_MAX_BATCH must be a whole number .* got '{text}'"):
            max_batch()
