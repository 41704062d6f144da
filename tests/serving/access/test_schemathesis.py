"""Schemathesis asks a real Bento what its OpenAPI document promises, and what it forbids."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.bento import BentoInfo
from serving.process import running
from serving.settings import TOKEN_VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEFT_OUT = "positive_data_acceptance"
"""The document cannot say that parallel lists are of one length, or that times do not go back."""


@pytest.fixture
def address(built: BentoInfo, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service of its own: its catalogue will not be the same afterwards."""
    monkeypatch.setenv(TOKEN_VARIABLE, "all-secret")
    with running(built.tag, home=home, log=tmp_path / "log") as url:
        yield url


def test_the_service_does_what_its_document_says(address: str, tmp_path: Path) -> None:
    """Every call: examples, the edges of each field, missing and wrong keys, other methods, random bodies."""
    options = {
        "--header": "Authorization: Bearer all-secret",
        "--checks": "all",
        "--exclude-checks": LEFT_OUT,
        "--phases": "examples,coverage,fuzzing",
        "--max-examples": "60",
        "--seed": "1",
        "--suppress-health-check": "all",
        "--warnings": "off",
        "--workers": "1",
    }
    command = [str(Path(sys.executable).with_name("st")), "run", f"{address}/openapi.json"]
    for name, value in options.items():
        command += [name, value]
    done = subprocess.run(
        [*command, "--no-shrink", "--continue-on-failure"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout
