"""Weights may be found on another device than the CPU: a GPU, stood in for by a second device of torch's."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from models.families import FAMILIES
from models.fitting import fit_family
from models.learning.device import device_of, learner_on, moved

TRAINABLE = [name for name, family in FAMILIES.items() if family.trainable]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def second():
    """What trainings on both devices gave, by family; in a process of its own."""
    command = [sys.executable, "-m", "tests.models.learning.second_device", *TRAINABLE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("family", TRAINABLE)
def test_a_training_elsewhere_ends_in_the_same_weights_and_survives_a_kill(second, family):
    found = second[family]
    here, there, resumed = found["losses"]
    assert len(here) == 3
    assert there == resumed == here
    assert found["differ"] == [[], []]
    assert found["storages"] > 1000  # it was there


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_tensors_of_two_devices_do_not_meet(second):
    assert "devices" in second["refused"] or "met one of" in second["refused"]


def test_a_device_that_is_not_there_is_told(fit_data):
    rule = r"device must be one that torch sees here, but got 'xpu' .*: set device to cpu"
    with pytest.raises(ValueError, match=rule):
        fit_family("sasrec", {"device": "xpu"}, fit_data, seed=0)
    with pytest.raises(ValueError, match="String should match pattern"):
        fit_family("sasrec", {"device": "A100"}, fit_data, seed=0)


def test_a_batch_moves_with_all_its_tensors():
    @dataclass(frozen=True)
    class Inner:
        item: torch.Tensor
        name: str

    inner = Inner(torch.ones(2), "inner")
    there = moved((inner, torch.zeros(1), 3, None), torch.device("meta"))
    assert [there[0].item.device.type, there[1].device.type] == ["meta", "meta"]
    assert (there[0].name, there[2], there[3]) == ("inner", 3, None)


def test_on_the_cpu_nothing_is_copied():
    module, batch = torch.nn.Linear(2, 2), torch.ones(2)
    assert learner_on(device_of("cpu"), module) is module
    assert moved(batch, device_of("cpu")) is batch
    assert learner_on(torch.device("meta"), module).weight.device.type == "meta"
    assert module.weight.device.type == "cpu"
