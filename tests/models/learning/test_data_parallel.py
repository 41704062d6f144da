"""Two real processes train what one would; shares are parts of a batch that nothing is missing from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.fitting import can_share
from models.learning import data_parallel, training
from models.learning.data_parallel import train
from models.learning.training import TrainConfig
from models.recommenders.trie_pointer.recipe import TriePointerConfig, untrained

PROBE = Path(__file__).with_name("data_parallel_probe.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def saw(tmp_path_factory):
    """What each of two ranks saw."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(PROBE), str(rank), "2", str(folder)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=500)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    return [json.loads((folder / f"saw-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.timeout(560)
class TestTwoProcesses:
    def test_a_shared_step_has_the_loss_and_the_gradient_of_the_whole_batch(self, saw):
        for rank in saw:
            assert rank["step"]["scale"] > 1e-2, "a gradient worth comparing"
            assert rank["step"]["loss"] < 1e-6
            assert rank["step"]["gradient"] < 1e-6

    def test_all_ranks_end_with_the_same_weights(self, saw):
        assert saw[0]["trained"]["weights"] == saw[1]["trained"]["weights"]

    def test_rank_0_validates_for_all(self, saw):
        assert saw[0]["trained"]["metrics"] == saw[1]["trained"]["metrics"]
        assert saw[0]["trained"]["validated"] == 3
        assert saw[1]["trained"]["validated"] == 0

    def test_only_rank_0_keeps_a_checkpoint_and_all_resume_from_it(self, saw):
        assert [rank["kept"] for rank in saw] == [True, False]
        for rank in saw:
            assert rank["again"]["weights"] == rank["trained"]["weights"]
            assert rank["again"]["validated"] == 0, "no epoch was left to run"

    def test_what_the_watcher_raises_ends_all_and_is_told(self, saw):
        assert saw[0]["stopped"] == "KeyError: 'enough'"
        assert "RankStopped: All ranks go on together, but rank 0 stopped with KeyError" in saw[1]["stopped"]


def drawn(batches, size):
    """Each rank's shares of an epoch, beside the whole batches."""
    whole = list(batches.epoch(np.random.default_rng(3)))
    parts = [list(batches.shares(np.random.default_rng(3), rank, size)) for rank in range(size)]
    return whole, list(zip(*parts, strict=True))


@pytest.mark.parametrize(("size", "batch_users"), [(2, 32), (3, 17), (4, 17)])
def test_the_shares_of_a_batch_are_all_of_it(fit_data, size, batch_users):
    # 120 users in batches of 17 leave one over, which is too few for three ranks
    _, batches = untrained(TriePointerConfig(batch_users=batch_users), fit_data, 0)
    whole, parts = drawn(batches, size)
    assert len(whole) == len(parts) == len(batches)
    for batch, shares in zip(whole, parts, strict=True):
        targets = torch.cat([share.batch.target_item for share in shares if share.weight])
        assert sorted(targets.tolist()) == sorted(batch.target_item.tolist())
        assert sum(share.weight for share in shares) == pytest.approx(size)


def test_a_rank_without_a_user_weighs_nothing(fit_data):
    _, batches = untrained(TriePointerConfig(batch_users=17), fit_data, 0)
    _, parts = drawn(batches, 3)
    assert [share.weight for share in parts[-1]] == [3.0, 0.0, 0.0]
    assert all(len(share.batch.target_item) for share in parts[-1]), "a loss that is a number"


def test_alone_it_is_the_fit_loop_itself(fit_data):
    def weights(fit):
        module, batches = untrained(TriePointerConfig(d_model=16), fit_data, 0)
        fit(module, batches, TrainConfig(epochs=2), seed=1)
        return module.state_dict()

    shared, alone = weights(train), weights(training.train)
    assert all(torch.equal(shared[name], alone[name]) for name in alone)


def test_several_processes_stay_on_the_cpu(fit_data, monkeypatch):
    monkeypatch.setattr(data_parallel, "in_group", lambda: True)
    module, batches = untrained(TriePointerConfig(d_model=16), fit_data, 0)
    with pytest.raises(ValueError, match=r"on the CPU only, but device is 'cuda': set device to cpu or"):
        train(module, batches, TrainConfig(epochs=1, device="cuda"), seed=1)


def test_families_say_whether_they_can_share():
    assert can_share("trie-pointer")
    assert not can_share("sasrec")
    assert not can_share("popularity")
