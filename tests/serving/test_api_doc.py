"""Every line of docs/api.md, run against a real service with a key and a challenger."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.bento import SOURCE, BentoInfo
from serving.door.calls import CALLS
from serving.process import running
from serving.settings import TOKEN_VARIABLE
from serving.trial.config import TrialConfig

DOC = (SOURCE / "docs" / "api.md").read_text()
HERE = {"995242": "10", "1082185": "11", "900": "ann", "q=9": "q=a", '"9"': '"a"'}
"""Keys of the page, and those of the small bundle that stand in."""


def blocks(language: str) -> list[str]:
    """The examples in a language, in their order."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
    return found


def localised(text: str) -> str:
    for key, ours in HERE.items():
        text = text.replace(key, ours)
    return text


@pytest.fixture(scope="module")
def environment(
    built: BentoInfo, home: Path, challenger_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    log = tmp_path_factory.mktemp("doc") / "log"
    trial = (challenger_folder, TrialConfig(mode="shadow"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN_VARIABLE, "a-key")
        events = str(log.with_name("events.db"))
        with running(built.tag, home=home, log=log, trial=trial, events=events) as url:
            yield {**os.environ, "URL": url, "TOKEN": "a-key", "PYTHONPATH": str(SOURCE)}


def run(command: list[str], text: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        input=localised(text),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1_000:] + done.stderr[-2_000:] + text
    return done.stdout


def test_the_page_has_every_call_in_each_language() -> None:
    curl, script, python = ("\n".join(blocks(language)) for language in ("sh", "js", "python"))
    for call in CALLS:
        if call.role is None or call.path == "/docs.json":
            continue
        path = call.path.partition("{")[0]
        assert f'"$URL{path}' in curl
        assert f'ask("{call.method}", "{path}' in script
    assert len(blocks("sh")) == len(blocks("js")) - 1 == len(blocks("python")) - 2
    assert "client." in python


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("example", blocks("sh"))
def test_every_curl_line_works(example: str, environment: dict[str, str]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl is installed (Debian package curl)")
    assert run(["bash", "-euo", "pipefail", "-s"], example, environment)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_line_of_javascript_works(environment: dict[str, str]) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed (Debian package nodejs)")
    start = "const { URL, TOKEN } = process.env;\n"
    shown = [re.sub(r"^await (.*);$", r"console.log(await \1);", each) for each in blocks("js")]
    said = run([node, "--input-type=module"], start + "\n".join(shown), environment)
    assert "milk" in said
    assert "encore_http_requests_total" in said


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_line_of_python_works(environment: dict[str, str]) -> None:
    start = 'import os\nURL, TOKEN = os.environ["URL"], os.environ["TOKEN"]\n'
    said = run([sys.executable, "-"], start + "\n".join(blocks("python")), environment)
    assert said.startswith("400 ")
