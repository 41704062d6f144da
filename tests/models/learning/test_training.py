import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.families import FAMILIES
from models.fitting import fit_family
from models.learning.training import TrainConfig, train

TRAINABLE = [name for name, family in FAMILIES.items() if family.trainable]


class Line(torch.nn.Module):
    """y = w x, to be fitted."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1, 1))

    def loss(self, batch):
        x, y = batch
        return ((x @ self.w - y) ** 2).mean()


class Points:
    def __len__(self):
        return 4

    def epoch(self, rng):
        for _ in range(4):
            x = torch.from_numpy(rng.normal(size=(8, 1)).astype(np.float32))
            yield x, 3 * x


def test_finds_the_planted_slope():
    line = Line()
    train(line, Points(), TrainConfig(epochs=40, learning_rate=0.2, weight_decay=0), seed=0)
    assert line.w.item() == pytest.approx(3, abs=0.02)


def test_stops_early_and_keeps_the_best_weights():
    metrics = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    weights = []

    def validate():
        weights.append(line.w.item())
        return next(metrics)

    line = Line()
    trained = train(line, Points(), TrainConfig(epochs=5, patience=2), seed=0, validate=validate)
    assert trained.epochs == 2
    assert trained.metric == 0.5
    assert len(trained.history) == 4
    assert line.w.item() == weights[1]


def test_a_loss_that_is_not_finite_is_an_error():
    class Broken(Line):
        def loss(self, batch):
            return super().loss(batch) * math.nan

    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(Broken(), Points(), TrainConfig(epochs=1), seed=0)


class Killed(Exception):
    pass


def kill_at(number):
    def watch(epoch):
        if epoch.number == number:
            raise Killed

    return watch


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_killed_training_resumes_to_the_same_bits(name, fit_data, tmp_path):
    settings = {"epochs": 4, "d_model": 16, "dropout": 0.3}
    whole = fit_family(name, settings, fit_data, seed=5).recommender.state()
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        fit_family(name, settings, fit_data, seed=5, checkpoint=path, watch=kill_at(1))
    resumed = fit_family(name, settings, fit_data, seed=5, checkpoint=path).recommender.state()
    assert all(np.array_equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.slow
def test_kill_minus_nine_resumes_to_the_same_bits(tmp_path):
    """A real process, killed by signal 9 in the middle of its second epoch."""
    here = Path(__file__).parent / "resume_probe.py"

    def run(name, kill):
        command = [sys.executable, str(here), str(tmp_path / f"{name}.safetensors"), kill]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    whole = run("whole", "never")
    killed = run("killed", "epoch 2")
    assert killed.returncode == -9
    resumed = run("killed", "never")
    assert whole.stdout.strip() == resumed.stdout.strip() != ""
