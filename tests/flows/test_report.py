"""The page of a run: what a manager asks, nothing from another host, in MLflow and Prefect as well."""

import json
import re
import urllib.request

import pytest

from flows.environment import Home
from flows.record.promotion import pointed
from flows.report.page import Section, write_page
from flows.tracking.plots import Estimate, by_slice, differences
from flows.tracking.tracker import Tracker

FAMILIES = ("popularity", "transitions", "trie-pointer")


def test_a_page_escapes_what_it_is_told_and_asks_no_other_host(tmp_path):
    figure = differences([Estimate("new <users>", 0.01, 0.0, 0.02)], metric="ndcg@10")
    rows = [{"step": "<b>", "CPU s": "1"}]
    sections = [Section("Why & how", "a < b", figure, rows), Section("Empty")]
    file = tmp_path / "pages" / "run.html"
    write_page(
        file, light="amber", headline="No <go>", summary="&", reasons=["x < y"], sections=sections, footer=""
    )
    page = file.read_text()
    assert "No &lt;go&gt;" in page
    assert "<td>&lt;b&gt;<td class='number'>1" in page
    assert "$" not in page
    assert "new &lt;users&gt;</text>" in page  # words of a picture can be searched and read aloud
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert all(
        each.startswith("http://www.w3.org/") for each in addresses
    )  # names of XML, nothing is fetched


def test_the_best_of_a_slice_is_bold():
    figure = by_slice({"all": {"a": 0.2, "b": 0.1}, "new": {"a": 0.0, "b": 0.0}}, metric="ndcg@10")
    words = {text.get_text(): text.get_weight() for text in figure.axes[0].texts}
    assert (words["0.200"], words["0.100"]) == ("bold", "normal")


@pytest.mark.slow
def test_a_run_leaves_its_page_where_people_look(finished):
    here = Home(finished.home)
    (file,) = here.reports.glob("*.html")
    page = file.read_text()
    assert "Promoted: another model answers from now on" in page
    for title in ("Why", "Every family on the test", "Who wins where", "Proof", "Cost"):
        assert f"<h2>{title}</h2>" in page
    assert all(name in page for name in FAMILIES)
    assert page.count("<svg") == 4
    assert str(file) in finished.said.replace("\n", "")

    release = pointed(here.pointer)
    tracker = Tracker(f"sqlite:///{here.root / 'mlflow.db'}", here.files_url)
    assert file.name in {each.path for each in tracker.client.list_artifacts(release.run_id)}
    metrics = tracker.client.get_run(release.run_id).data.metrics
    assert metrics["cost.cpu_seconds"] > 1
    family = next(run for run in tracker.children(release.run_id) if run.info.run_name == "trie-pointer")
    trial = tracker.children(family.info.run_id)[0]
    assert trial.data.metrics["cost.peak_mib"] > 100
    assert family.data.metrics["cost.cpu_seconds"] >= trial.data.metrics["cost.cpu_seconds"]


@pytest.mark.slow
def test_prefect_links_the_page_and_shows_the_bill(finished, server):
    request = urllib.request.Request(
        f"{server}/artifacts/filter", b"{}", {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found = [(each["key"], each["data"]) for each in json.load(answer)]  # of every run on this server
    assert any(key == "report" and str(finished.home / "reports") in data for key, data in found)
    assert any(key == "cost" and "tune-trie-pointer" in data for key, data in found)
