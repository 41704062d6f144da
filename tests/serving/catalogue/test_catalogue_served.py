"""A real Bento, alone, whose catalogue changes while it answers, and that is killed and started again."""

import json
import re
import threading
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from models.bundle import save
from serving import bento
from serving.bento import BentoInfo
from serving.connection import Connection
from serving.process import running
from tests.serving.catalogue.conftest import Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OAT = {"item": "oat", "fields": {"title": "milk fresh oat", "brand": "b1"}}


def call(url: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def count(url: str, name: str) -> float:
    with urllib.request.urlopen(url + "/metrics", timeout=10) as reply:
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", reply.read().decode(), re.MULTILINE)
    return float(found[1]) if found else -1.0


@pytest.fixture(scope="module")
def packed(shop: Shop, home: Path, tmp_path_factory: pytest.TempPathFactory) -> BentoInfo:
    folder = tmp_path_factory.mktemp("bundles") / "trie-pointer"
    save(shop("trie-pointer"), folder)
    return bento.build(folder, home=home)


def test_a_bento_alone_takes_on_items_under_load_and_keeps_them_over_a_kill(
    packed: BentoInfo, home: Path, stranger: str, tmp_path: Path
) -> None:
    folder, log = tmp_path / "changes", tmp_path / "service.log"
    others = set(psutil.Process().children(recursive=True))  # services that other tests share
    with running(packed.tag, home=home, log=log, python=stranger, catalogue=folder) as url:
        done, seen = threading.Event(), []

        def ask() -> None:
            client = Connection(url)
            while not done.is_set():
                status, body = client.post("/recommend", b'{"history": ["i0", "i1"], "k": 20}')
                answer = json.loads(body)
                seen.append((status, answer["catalogue"], {each["item"] for each in answer["items"]}))
            client.close()

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        status, state = call(url, "PUT", "/catalogue", {"items": [OAT, {"item": "i1", "hidden": True}]})
        assert (status, state["version"], state["items"], state["kept"]) == (200, 1, 21, "disk")
        assert call(url, "PUT", "/catalogue", {"items": [{"item": "i2", "hidden": True}]})[1]["version"] == 2
        assert call(url, "POST", "/catalogue/revert", {})[1]["version"] == 3
        done.set()
        for asker in askers:
            asker.join()
        assert {status for status, _, _ in seen} == {200}
        for _, version, items in seen:  # each list is whole: of one version
            assert ("i1" in items, "i2" in items) == {
                0: (True, True),
                1: (False, True),
                2: (False, False),
                3: (False, True),
            }[version]
        _, answer = call(url, "POST", "/recommend", {"history": ["i0"], "allow": ["oat"], "k": 1})
        assert [each["title"] for each in answer["items"]] == ["b1, milk fresh oat"]
        assert (answer["catalogue"], count(url, "encore_catalogue_version")) == (3, 3)
        assert count(url, "encore_forbidden_items_served_total") == 0
        kill(set(psutil.Process().children(recursive=True)) - others)
    with running(packed.tag, home=home, log=log, python=stranger, catalogue=folder) as url:
        again = call(url, "GET", "/catalogue")[1]
        assert (again["version"], again["items"], again["hidden"]) == (3, 21, 1)
        _, after = call(url, "POST", "/recommend", {"history": ["i0"], "allow": ["oat"], "k": 1})
        assert after["items"] == answer["items"]
        assert call(url, "POST", "/catalogue/revert", {"to": 0})[1]["items"] == 20
    with running(packed.tag, home=home, log=log, python=stranger) as url:  # no folder: the bundle as it is
        assert call(url, "GET", "/catalogue")[1]["kept"] == "memory"


def kill(family: set[psutil.Process]) -> None:
    """As a machine that loses power would, without asking."""
    for each in family:
        each.kill()
    psutil.wait_procs(family, timeout=20)
