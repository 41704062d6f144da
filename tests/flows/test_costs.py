"""What a block took is measured, kept beside what it left, and summed into a bill."""

import subprocess
import sys
import time

import pytest

from flows import fingerprint
from flows.retraining.standings import Standing
from flows.steps import Artefact
from flows.tracking.bill import bill, price_of_better, table
from flows.tracking.costs import Cost, keep, kept, metered, total
from flows.tracking.plots import Estimate

BURN = "import time; start = time.process_time()\nwhile time.process_time() - start < 0.5: pass"


def test_work_of_a_child_counts_and_sleep_does_not():
    with metered() as meter:
        subprocess.run([sys.executable, "-c", BURN], check=True)
        time.sleep(0.3)
    assert meter.cost.cpu_seconds >= 0.5
    assert meter.cost.wall_seconds >= 0.8


def test_memory_that_came_and_went_is_seen():
    with metered() as idle:
        pass
    with metered() as busy:
        block = bytearray(300 * 2**20)
        time.sleep(0.6)
        del block
    assert busy.cost.peak_mib > idle.cost.peak_mib + 250


def break_off():
    time.sleep(0.05)
    raise ValueError("broken")


def test_a_block_that_fails_has_its_cost():
    with pytest.raises(ValueError, match="broken"), metered() as meter:
        break_off()
    assert meter.cost.wall_seconds >= 0.05


def test_a_cost_is_no_part_of_the_digest(tmp_path):
    (tmp_path / "best.json").write_text("{}")
    before = fingerprint.of_folder(tmp_path)
    keep(Cost(1.5, 2.5, 100.0), tmp_path)
    assert fingerprint.of_folder(tmp_path) == before
    assert kept(tmp_path) == Cost(1.5, 2.5, 100.0)
    assert kept(tmp_path / "older") == Cost()  # made before costs were kept


def test_the_bill_names_steps_and_adds_up(tmp_path):
    folders = [tmp_path / f"{name}-0123456789abcdef" for name in ("tune-sasrec", "judge")]
    for folder, cost in zip(folders, (Cost(60, 110, 900), Cost(1, 1, 1000)), strict=True):
        keep(cost, folder)
    positions = bill(Artefact(str(folder), "x") for folder in folders)
    assert [each.name for each in positions] == ["tune-sasrec", "judge"]
    assert total(each.cost for each in positions) == Cost(61, 111, 1000)
    assert table(positions)[-1] == {"step": "all", "wall s": "61.0", "CPU s": "111.0", "peak MiB": "1,000"}


def line(name, mean):
    return Standing(name, None, {"ndcg@10": Estimate(name, mean, mean, mean)}, 0.0, 0.0)


def test_a_better_model_has_a_price_a_percent():
    costs = {"pointer": Cost(0, 300, 0), "sasrec": Cost(0, 900, 0), "repeats": Cost(0, 50, 0)}
    lines = [line("champion", 0.3), line("pointer", 0.22), line("sasrec", 0.21), line("repeats", 0.20)]
    assert price_of_better(costs, lines, "ndcg@10") == (
        "pointer is 10.0 % better in ndcg@10 than repeats, the best cheaper one, for 250.0 CPU seconds more: "
        "25 for each percent."
    )
    assert "none was cheaper" in price_of_better(costs | {"pointer": Cost()}, lines, "ndcg@10")
    equal = [line("pointer", 0.2), line("repeats", 0.2)]
    assert "is no better" in price_of_better(costs, equal, "ndcg@10")
    assert price_of_better({}, lines, "ndcg@10") == ""
