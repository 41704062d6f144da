"""The train step in a prepared home: train_step.py FOLDER PROCESSES [RAY]; prints digest and folder."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from flows import environment

FAMILY = "trie-pointer"
SETTINGS = {"epochs": 16, "d_model": 16, "dropout": 0.2, "batch_users": 40}


def main(folder: Path, processes: int, ray: str) -> None:
    """Artefacts are named in `asked.json`, which the test wrote."""
    environment.prepare(folder)
    from flows.compute.config import ComputeConfig
    from flows.config import load
    from flows.environment import Home
    from flows.retraining.context import Context
    from flows.steps import Artefact
    from flows.tasks.train import bundle_digest, train

    asked = json.loads((folder / "asked.json").read_text())
    given = {name: Artefact(*parts) for name, parts in asked["artefacts"].items()}
    compute = ComputeConfig(processes=processes, ray=ray)
    config = load(Path(asked["config"])).model_copy(update={"compute": compute})
    run = Context(config, Home(folder), None, given.pop("snapshot"), "", "")  # type: ignore[arg-type]
    trained = train.fn(
        run=run, family=FAMILY, settings=SETTINGS, seed=3, threads=1, processes=processes, **given
    )
    sys.stdout.write(json.dumps([bundle_digest(trained), trained.path]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
