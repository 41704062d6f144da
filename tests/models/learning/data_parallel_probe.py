"""Run by test_data_parallel: one rank of a small training; writes what it saw: RANK SIZE FOLDER."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import world

from models.fitting import fit_family, use_threads
from models.learning import data_parallel
from models.learning.data_parallel import Place, RankStopped, joined
from models.recommenders.trie_pointer.recipe import TriePointerConfig, untrained
from models.tokenizers.residual_kmeans import ResidualKMeansConfig

SETTINGS = {"epochs": 3, "max_baskets": 8, "d_model": 16, "batch_users": 17, "learning_rate": 1e-2}
SEED = 5


def first_step(data) -> dict[str, float]:
    """Greatest difference between the shared step's loss and gradient and those of the whole batch."""
    config = TriePointerConfig(**SETTINGS | {"dropout": 0.0})
    alone, batches = untrained(config, data, SEED)
    shared, _ = untrained(config, data, SEED)
    whole = alone.loss(next(batches.epoch(np.random.default_rng(1))))
    whole.backward()
    together = data_parallel._Together(shared)
    loss = together.loss(next(data_parallel._Shares(batches).epoch(np.random.default_rng(1))))
    loss.backward()
    pairs = zip(alone.parameters(), shared.parameters(), strict=True)
    return {
        "loss": abs(float(loss.detach() - whole.detach())),
        "gradient": max(float((a.grad - b.grad).abs().max()) for a, b in pairs),
        "scale": max(float(p.grad.abs().max()) for p in alone.parameters()),
    }


def trained(data, checkpoint: Path | None) -> dict[str, object]:
    """A training that rank 0 validates; by dropout the ranks differ, by the metric they must not."""
    asked = []

    def validate(recommender) -> float:
        asked.append(1)
        return -float(np.abs(recommender.state()["body.start"]).sum())

    settings = SETTINGS | {"dropout": 0.3}
    fitted = fit_family(
        "trie-pointer",
        settings,
        data,
        seed=SEED,
        validate=validate,
        checkpoint=checkpoint,
        watch=lambda _: None,
    )
    state = fitted.recommender.state()
    total = hashlib.sha256(b"".join(np.ascontiguousarray(state[name]).tobytes() for name in sorted(state)))
    return {
        "weights": total.hexdigest(),
        "metrics": [epoch.metric for epoch in fitted.history],
        "validated": len(asked),
    }


def stopped(data) -> str:
    """What this rank sees when rank 0's watcher has had enough."""

    def watch(epoch) -> None:
        raise KeyError("enough")

    try:
        fit_family("trie-pointer", SETTINGS, data, seed=SEED, watch=watch)
    except (KeyError, RankStopped) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


if __name__ == "__main__":
    rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    use_threads(1)
    data = world(ResidualKMeansConfig(n_levels=2, codebook_size=4))
    with joined(Place(rank, size, (folder / "meeting").as_uri())):
        torch.use_deterministic_algorithms(True)
        own = folder / f"checkpoint-{rank}"
        saw = {
            "step": first_step(data),
            "trained": trained(data, own),
            "again": trained(data, own),
            "kept": own.exists(),
            "stopped": stopped(data),
        }
    (folder / f"saw-{rank}.json").write_text(json.dumps(saw))
