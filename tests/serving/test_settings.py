"""Which bundle a process serves."""

from pathlib import Path

import pytest

from serving.settings import BUNDLE_VARIABLE, bundle_path


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
