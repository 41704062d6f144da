"""A benchmark on a planted circle: every stage for real, the same numbers after any kill, all in MLflow."""

import dataclasses
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from flows.benchmark.config import ItemsConfig, absent, contenders, find, load
from flows.benchmark.run import EXPERIMENT, Asked, benchmark
from flows.benchmark.table.files import read, write
from flows.benchmark.table.render import document, sections
from flows.commands.benchmark import run
from flows.config import ConfigError
from flows.environment import Home
from flows.tracking.tracker import Tracker
from models.learning.training import _State
from tests.flows.circle import CONFIG, LENGTH, N_ITEMS, N_USERS, timeless, write_ring
from validation.evaluation.report import Report


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_ring(root)
    return root


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "circle.toml"
    path.write_text(CONFIG)
    return load(path)


@pytest.fixture(scope="module")
def asked(data) -> Asked:
    return Asked(data, seeds=2, cold=0.25)


@pytest.fixture(scope="module")
def finished(config, asked, tmp_path_factory):
    """Home and result of a run that nothing disturbed, and how often the result was published."""
    home = Home(tmp_path_factory.mktemp("home"))
    published: list[dict] = []
    return home, benchmark(config, asked, home, published.append), published


@pytest.fixture(scope="module")
def ring(finished):
    return finished[1]["datasets"]["ring"]


def row(ring, name):
    return next(row for row in ring["rows"] if row["name"] == name)


def test_the_data_are_counted_as_papers_count_them(ring):
    profile = ring["profile"]
    assert (profile["users"], profile["catalogue"]) == (N_USERS, N_ITEMS)
    assert profile["train_events"] == N_USERS * (LENGTH - 2)
    assert profile["train_targets"] == N_USERS * (LENGTH - 3)
    assert (profile["validation_users"], profile["test_users"]) == (20, N_USERS)


def test_days_are_put_in_order_by_position_so_the_circle_is_found(ring):
    found = row(ring, "transitions")["test"]
    assert found["masked"]["ndcg@10"] == {"mean": 1.0, "sd": 0.0}
    assert found["unmasked"]["recall@5"]["mean"] == 1.0
    assert row(ring, "popularity")["test"]["masked"]["ndcg@10"]["mean"] < 0.9


def test_masking_helps_who_does_not_know_what_was_seen(ring):
    found = row(ring, "popularity")["test"]
    # seven of the twelve items are seen, so five candidates are left
    assert found["masked"]["recall@5"]["mean"] == 1.0
    assert found["unmasked"]["recall@5"]["mean"] < 1.0


def test_the_protocol_goes_with_each_table(ring):
    protocol = ring["protocol"]
    assert set(protocol) == {
        f"fitted on {fitted}, {way}"
        for fitted in ("train", "train + validation")
        for way in ("masked", "unmasked")
    }
    masked = protocol["fitted on train, masked"]
    assert (masked["fitted_on"], masked["seen_masked"]) == ("train", True)
    assert (masked["candidates"], masked["cold_targets"]) == ("full catalogue", "in the denominator")
    assert protocol["fitted on train + validation, unmasked"]["fitted_on"] == "train + validation"


def test_each_family_gets_the_same_trials_and_each_row_its_seeds(ring):
    for name in ("transitions", "sasrec"):
        assert row(ring, name)["tuning"]["trials"] == 2
    assert row(ring, "popularity")["tuning"]["trials"] == 0  # its only setting is fixed
    assert [each["seed"] for each in row(ring, "sasrec")["seeds"]] == [0, 1]
    assert row(ring, "sasrec")["parameters"] > row(ring, "popularity")["parameters"] == N_ITEMS


def test_a_refit_keeps_the_epochs_that_validation_found(ring):
    found = row(ring, "sasrec")
    assert [each["epochs"] for each in found["refitted"]["seeds"]] == [
        each["epochs"] for each in found["seeds"]
    ]
    assert found["refitted"]["seeds"][0]["settings"] == found["seeds"][0]["settings"]
    assert found["refitted"]["test"]["masked"] != found["test"]["masked"]


def test_an_ablation_is_the_best_settings_with_one_change(ring):
    whole, narrow = row(ring, "sasrec"), row(ring, "sasrec/narrow-rows")
    assert narrow["ablation_of"] == "sasrec"
    assert narrow["settings"] == whole["settings"] | {"batch_rows": 4}
    assert narrow["tuning"] == whole["tuning"]
    assert "refitted" not in narrow


def test_the_recipe_is_compared_with_the_best_other_on_the_same_users(ring):
    found = ring["significance"]
    assert (found["recipe"], found["baseline"]) in (("transitions", "sasrec"), ("transitions", "popularity"))
    each = found["masked"]["ndcg@10"]
    ours, theirs = (
        row(ring, found[who])["test"]["masked"]["ndcg@10"]["mean"] for who in ("recipe", "baseline")
    )
    assert each["difference"] == pytest.approx(ours - theirs)
    assert each["n"] == N_USERS


def test_held_out_items_are_known_to_nobody_but_by_their_text(ring):
    cold = ring["cold"]
    assert cold["items"] == 3
    assert 0 < cold["users"] < N_USERS
    # Counts of the training events are zero for them, and nine items are before them or equal by id.
    assert set(cold["rows"]["transitions"]) == {"full", "within"}
    assert cold["rows"]["text similarity"]["within"]["recall@10"] == 1.0  # there are only three
    assert cold["rows"]["by chance"]["within"]["recall@10"] == 1.0


def test_the_result_is_published_after_each_contender(finished):
    _, result, published = finished
    assert [len(each["datasets"]["ring"]["rows"]) for each in published] == [1, 2, 3, 4, 4]
    assert published[-1] == result


def test_mlflow_holds_a_run_for_each_contender_and_below_it_each_trial_and_fit(finished, config):
    home, _, _ = finished
    tracker = Tracker(home.tracking_uri, home.files_url, EXPERIMENT)
    parents = tracker.client.search_runs([tracker.experiment_id], "tags.kind = 'parent'")
    names = {run.info.run_name: run for run in parents}
    assert set(names) == {
        f"circle · ring · {name}" for name in ("popularity", "transitions", "sasrec", "sasrec/narrow-rows")
    }
    assert {run.info.status for run in parents} == {"FINISHED"}
    below = tracker.children(names["circle · ring · sasrec"].info.run_id)
    kinds = sorted(run.data.tags["kind"] for run in below)
    assert kinds == ["fit"] * 5 + ["trial"] * 2  # two seeds, two refits, one without the held-out items
    best = names["circle · ring · transitions"].data.metrics
    assert best["test.masked.ndcg_at_10"] == 1.0
    assert best["test.unmasked.recall_at_20"] == 1.0


def test_nothing_is_done_twice(finished, config, asked):
    home, result, _ = finished
    before = {path: path.stat().st_mtime_ns for path in home.work.rglob("*.json")}
    assert benchmark(config, asked, home, lambda _: None) == result
    assert {path: path.stat().st_mtime_ns for path in home.work.rglob("*.json")} == before


def test_one_family_asked_for_leaves_the_others_in_the_result(finished, config, asked):
    home, result, _ = finished
    some = Asked(asked.data, ("popularity",), ("ring",), asked.seeds, cold=asked.cold)
    assert benchmark(config, some, home, lambda _: None) == result | {"command": some.command("circle")}


def test_a_family_with_items_of_its_own_needs_no_other(config, data, tmp_path):
    alone = config.model_copy(
        update={"items": {"own": ItemsConfig()}, "families": {"popularity": {"items": "own"}}, "recipe": ""}
    )
    result = benchmark(alone, Asked(data, seeds=1, refit=False), Home(tmp_path), lambda _: None)
    assert [each["name"] for each in result["datasets"]["ring"]["rows"]] == ["popularity"]


def test_killed_again_and_again_it_ends_in_the_same_numbers(finished, config, asked, tmp_path, monkeypatch):
    home = Home(tmp_path)
    shutil.copy(finished[0].root / "mlflow.db", tmp_path / "mlflow.db")  # its tables take seconds to make
    moments = kills = 0

    def fragile(function):
        def then_maybe_die(*arguments, **named):
            nonlocal moments
            function(*arguments, **named)
            moments += 1
            if moments % 4 == 0:
                raise Killed

        return then_maybe_die

    monkeypatch.setattr(_State, "write", fragile(_State.write))
    monkeypatch.setattr(Report, "save", fragile(Report.save))
    while True:
        try:
            result = benchmark(config, asked, home, lambda _: None)
            break
        except Killed:
            kills += 1
    assert kills > 8
    assert timeless(result) == timeless(finished[1])
    assert not list(home.work.rglob("*.safetensors.draft"))


def test_tables_say_who_measured_and_under_which_protocol(finished, tmp_path):
    result = finished[1]
    files = write(result, tmp_path)
    assert read(tmp_path, "circle") == json.loads(json.dumps(result))
    assert {file.name for file in files} == {
        "circle.json",
        "circle.md",
        "circle_ranks.json",
        *(f"circle_ring_{what}.{kind}" for what in ("cost", "ablations") for kind in ("png", "svg")),
    }
    page = files[1].read_text()
    assert page == document(result, ["circle_ring_cost.svg", "circle_ring_ablations.svg"])
    assert "| Oracle (*published*: this test) |" in page
    assert "leave-one-out, next item, full catalogue, seen items not masked" in page
    assert "fitted on train + validation." in page
    titles = [title for title, _, _ in sections(result)]
    assert titles == [
        "ring · fitted on train · seen items masked",
        "ring · fitted on train · seen items unmasked",
        "ring · fitted on train + validation · seen items masked",
        "ring · fitted on train + validation · seen items unmasked",
        "ring · ablations",
        f"ring · transitions against {result['datasets']['ring']['significance']['baseline']}",
        "ring · cold items",
    ]


def test_a_machine_without_the_pieces_keeps_the_rows_that_lie_there(data, tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "circle.toml", tmp_path / "out"
    path.write_text(CONFIG)

    def command(machine, family, **asked):
        monkeypatch.setenv("ENCORE_HOME", str(tmp_path / machine))
        run(str(path), Asked(data, (family,), seeds=1, refit=False, ablations=False, **asked), out)
        return {each["name"]: each for each in read(out, "circle")["datasets"]["ring"]["rows"]}

    first = command("one", "transitions")
    both = command("two", "popularity")
    assert both["transitions"] == first["transitions"] | {"kept": True}
    assert "kept" not in both["popularity"]
    found = read(out, "circle")["datasets"]["ring"]["significance"]
    assert (found["recipe"], found["baseline"]) == ("transitions", "popularity")
    assert "kept rows" in capsys.readouterr().out

    write_ring(data.parent / "longer", n_users=N_USERS + 1)  # other data under the same names
    other = Asked(data.parent / "longer", ("popularity",), seeds=1, refit=False)
    monkeypatch.setenv("ENCORE_HOME", str(tmp_path / "three"))
    run(str(path), other, out)
    assert [each["name"] for each in read(out, "circle")["datasets"]["ring"]["rows"]] == ["popularity"]
    assert (
        "not kept: none of popularity, transitions (data, events was 320 and is 328"
        in capsys.readouterr().out
    )


def test_no_path_of_this_machine_is_in_the_result(finished, asked):
    home, result, _ = finished
    text = json.dumps(result)
    assert str(asked.data) not in text
    assert str(home.root) not in text


def test_items_without_any_text_are_known_by_who_buys_them(data, tmp_path):
    path = tmp_path / "wordless.toml"
    wordless = CONFIG.replace('text_fields = ["name"]', "")
    path.write_text(wordless.replace("[encoder]\nsize = 4", '[encoder]\nkind = "collaborative"'))
    asked = Asked(data, ("popularity",), seeds=1, refit=False, cold=0.25)
    home = Home(tmp_path / "home")
    home.root.mkdir()
    found = benchmark(load(path), asked, home, lambda _: None)["datasets"]["ring"]
    assert row(found, "popularity")["test"]["masked"]["recall@5"]["mean"] == 1.0
    assert "text similarity" not in found["cold"]["rows"]


def test_a_family_the_code_does_not_have_is_told_only_when_asked_for(config):
    assert absent(config) == ["from-the-future"]
    assert [each.name for each in contenders(config)] == [
        "popularity",
        "transitions",
        "sasrec",
        "sasrec/narrow-rows",
    ]
    with pytest.raises(ConfigError, match="'from-the-future' must be in this version of the code"):
        contenders(config, ["from-the-future"])
    with pytest.raises(ConfigError, match=r"--families must be one of popularity, .*but got 'nope'"):
        contenders(config, ["nope"])


def test_a_row_may_be_another_form_of_a_family(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(CONFIG + '[families.sasrec-wide]\nfamily = "sasrec"\nd_model = 16\n')
    wide = contenders(load(path), ["sasrec-wide"])
    assert [(each.name, each.family, each.fixed) for each in wide] == [
        ("sasrec-wide", "sasrec", {"d_model": 16})
    ]


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (CONFIG + "[families.transitions.typo]\n", "transitions: typo: Extra inputs"),
        (CONFIG.replace("[ablations.sasrec.", "[ablations.nope."), "ablation must be of one of the families"),
        (CONFIG.replace("recipe =", 'metric = "ndcg@7"\nrecipe ='), "a metric must be recall, ndcg"),
        (CONFIG.replace('ring/items.parquet"', 'x"\ntypo = 1'), r"datasets\.ring\.typo: Extra inputs"),
    ],
)
def test_a_mistake_names_the_key(tmp_path, bad, line):
    path = tmp_path / "bad.toml"
    path.write_text(bad)
    with pytest.raises(ConfigError, match=line):
        contenders(load(path))


def test_the_shipped_benchmark_names_what_it_compares():
    config = load(find("amazon-loo"))
    assert set(config.families) >= {"popularity", "transitions", "item-knn", "sasrec", "tiger", "encore"}
    assert contenders(config)
    assert {each.dataset for each in config.published} == set(config.datasets) == {"beauty", "sports"}
    assert len(config.published) == 12


def test_a_device_that_is_not_there_is_told_before_anything_is_done(data, tmp_path):
    path = tmp_path / "elsewhere.toml"
    path.write_text(CONFIG.replace("threads = 1", 'threads = 1\ndevice = "xpu"'))
    config = load(path)
    assert [each.fixed.get("device") for each in contenders(config)] == [None, None, "xpu", "xpu"]
    with pytest.raises(ValueError, match="device must be one that torch sees here, but got 'xpu'"):
        benchmark(config, Asked(data), Home(tmp_path / "home"), lambda _: None)
    assert not (tmp_path / "home").exists()


def test_a_precision_that_the_processor_lacks_is_told_before_anything_is_done(data, tmp_path, monkeypatch):
    monkeypatch.setattr("models.learning.device.multiplies_bfloat16", lambda device: False)
    path = tmp_path / "rough.toml"
    path.write_text(CONFIG.replace("[families.sasrec]", '[families.sasrec]\nloss_precision = "bfloat16"'))
    with pytest.raises(ValueError, match="loss_precision must be one that the processor multiplies"):
        benchmark(load(path), Asked(data), Home(tmp_path / "home"), lambda _: None)
    assert not (tmp_path / "home").exists()


def test_a_benchmark_that_is_not_there_is_told():
    with pytest.raises(ConfigError, match=r"no_such\.toml: a benchmark needs a TOML file, .*amazon-loo"):
        find("no-such")


def kill_first_helper() -> None:
    """What one of the further processes does instead of its work; the others go on."""
    mark = Path(os.environ["ENCORE_HOME"]) / "killed"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_processes_that_share_it_end_in_the_same_numbers_even_if_one_is_killed(
    finished, config, asked, tmp_path, monkeypatch
):
    monkeypatch.setenv("ENCORE_HOME", str(tmp_path))
    shutil.copy(finished[0].root / "mlflow.db", tmp_path / "mlflow.db")
    shared = dataclasses.replace(asked, workers=3)
    result = benchmark(config, shared, Home(tmp_path), lambda _: None, tell=kill_first_helper)
    assert (tmp_path / "killed").exists()
    assert timeless(result["datasets"]) == timeless(finished[1]["datasets"])
    assert result["command"].endswith("--workers 3")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_killed_for_real_goes_on(encore, data, tmp_path, finished):
    path, home, out = tmp_path / "circle.toml", tmp_path / "home", tmp_path / "out"
    path.write_text(CONFIG)
    words = ("benchmark", str(path), "--data", str(data), "--seeds", "2", "--cold", "0.25", "--out", str(out))
    process = encore(home, *words)
    deadline = time.monotonic() + 300
    while (
        not list(home.glob("work/benchmark/circle/ring/sasrec-tune-*.draft")) and time.monotonic() < deadline
    ):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    process = encore(home, *words)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "Next: encore up" in said
    result = read(out, "circle")
    assert timeless(result["datasets"]) == timeless(json.loads(json.dumps(finished[1]["datasets"])))
