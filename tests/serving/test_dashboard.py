"""The Grafana dashboard asks for what a live service tells, by names and labels that exist."""

import json
import re
from pathlib import Path

import pytest

from serving.bento import BentoInfo
from serving.client import EncoreClient, EncoreError
from serving.door.schemas import RecommendRequest
from serving.process import running
from serving.trial.config import TrialConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy" / "grafana.json").read_text())
OF_PROMETHEUS = {"job", "le"}


@pytest.fixture(scope="module")
def labels_of(
    built: BentoInfo, home: Path, challenger_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[str]]:
    """Labels of each metric of a service that keeps feedback and has given a challenger up."""
    log = tmp_path_factory.mktemp("dashboard") / "log"
    trial = (challenger_folder, TrialConfig(mode="shadow"))
    events = str(log.with_name("events.db"))
    with running(built.tag, home=home, log=log, trial=trial, events=events) as url:
        client = EncoreClient(url)
        client.recommend(RecommendRequest(user="ann"))
        client.recommend(RecommendRequest(user="nobody"))
        with pytest.raises(EncoreError):
            client.item("none")
        with pytest.raises(EncoreError):
            client.call("GET", "/nothing")
        client.revert_trial("enough")
        text = client.metrics()
        client.close()
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def expressions() -> list[str]:
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return asked + [line["query"] for line in DASHBOARD["templating"]["list"] if line["name"] == "job"]


@pytest.mark.parametrize("expression", expressions())
def test_every_query_names_what_there_is(expression: str, labels_of: dict[str, set[str]]) -> None:
    names = set(re.findall(r"\bencore_\w+", expression))
    assert names
    assert names <= set(labels_of)
    known = OF_PROMETHEUS.union(*(labels_of[name] for name in names))
    for listed in re.findall(r"(?:by|ignoring) \(([^)]*)\)", expression):
        assert set(re.split(r", *", listed)) <= known
    for matchers in re.findall(r"\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+) *=~?", matchers)) <= known


def test_panels_have_names_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
