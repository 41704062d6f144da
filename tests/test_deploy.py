"""The container file and the bill of materials, held against their rules; no engine is needed."""

import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text()


def instructions():
    """Each instruction of the container file, as its name and the rest."""
    text = re.sub(r"\\\n\s*", " ", "\n".join(re.findall(r"^(?!#).+$", CONTAINERFILE, re.MULTILINE)))
    return [line.split(maxsplit=1) for line in text.splitlines()]


def last_stage():
    found = instructions()
    start = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def only(name):
    (rest,) = [rest for each, rest in last_stage() if each == name]
    return rest


def test_every_instruction_is_known():
    known = {"FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}
    assert {name for name, _ in instructions()} <= known  # no ADD, which fetches from anywhere


def test_it_runs_as_a_user_without_rights_who_is_not_root():
    user, _, group = only("USER").partition(":")
    assert int(user) > 999  # a number, so that an orchestrator can see that it is not root
    assert int(group) > 999
    names = [name for name, _ in last_stage()]
    assert "RUN" not in names  # nothing is run as root in what is shipped
    assert names.index("USER") > max(place for place, name in enumerate(names) if name == "COPY")


def test_it_holds_the_bento_and_its_packages_only():
    copied = [rest for name, rest in last_stage() if name == "COPY"]
    assert copied == ["--from=packages /packages /packages", ". /bento"]


def test_it_writes_below_tmp_only():
    variables = dict(each.split("=", 1) for each in shlex.split(only("ENV")))
    assert variables["HOME"] == only("WORKDIR") == "/tmp"
    assert variables["BENTOML_HOME"].startswith("/tmp/")
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"
    assert not [name for name in variables if "TOKEN" in name or "KEY" in name]


def test_it_is_stopped_by_the_signal_that_the_service_understands_and_serves_the_bento():
    assert only("STOPSIGNAL") == "SIGTERM"
    command = json.loads(only("CMD"))  # a list: no shell stands between the signal and the service
    assert command[:3] == ["bentoml", "serve", "/bento"]
    assert command[command.index("--port") + 1] == only("EXPOSE")


def test_its_health_check_is_python_and_fails_where_nobody_answers():
    check = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
    assert "http://127.0.0.1:3000/readyz" in check[2]
    lonely = check[2].replace(":3000", ":1")
    assert subprocess.run([sys.executable, "-c", lonely], capture_output=True, check=False).returncode != 0


@pytest.fixture(scope="module")
def bill():
    command = [sys.executable, str(ROOT / "deploy" / "sbom.py"), "encore", "serving"]
    once, again = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in "ab")
    assert once == again
    return json.loads(once)


def test_the_bill_names_what_is_served_with_versions_and_nothing_above(bill):
    versions = {each["name"]: each["version"] for each in bill["components"]}
    for name in ("bentoml", "torch", "pydantic", "starlette", "uvicorn", "safetensors", "prometheus-client"):
        assert versions[name] == importlib.metadata.version(name)
    assert not {"mlflow", "prefect", "great-expectations", "encore"} & set(versions)


def test_the_bill_hangs_together(bill):
    named = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert len(named) == len(bill["components"]) + 1
    assert {each["ref"] for each in bill["dependencies"]} == named
    assert {ref for each in bill["dependencies"] for ref in each["dependsOn"]} <= named
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", ref) for ref in named)
