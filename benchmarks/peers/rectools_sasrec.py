"""RecTools' SASRec, one epoch at a time: run by `benchmarks.training_peers` in RecTools' own environment.

    python rectools_sasrec.py events.csv settings.json

Prints the seconds of each epoch and the loss as JSON. Knows nothing of this project.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

warnings.filterwarnings("ignore")

import pandas as pd  # noqa: E402
import torch  # noqa: E402
from pytorch_lightning import Callback, Trainer  # noqa: E402
from rectools.dataset import Dataset  # noqa: E402
from rectools.models import SASRecModel  # noqa: E402


class Clock(Callback):
    """Seconds and mean loss of each epoch."""

    def __init__(self) -> None:
        self.seconds, self.losses = [], []

    def on_train_epoch_start(self, trainer: Trainer, module: object) -> None:
        """Start."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, module: object) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self.started)
        self.losses.append(float(trainer.callback_metrics["train_loss"]))


def main() -> None:
    """Fit and report."""
    events, settings = pd.read_csv(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    torch.set_num_threads(settings["threads"])

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=settings["epochs"],
            accelerator="cpu",
            callbacks=[Clock()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    model = SASRecModel(
        loss="softmax",
        n_factors=settings["d_model"],
        n_blocks=settings["n_blocks"],
        n_heads=settings["n_heads"],
        dropout_rate=settings["dropout"],
        session_max_len=settings["max_length"],
        batch_size=settings["batch_rows"],
        lr=settings["learning_rate"],
        get_trainer_func=trainer,
    )
    model.fit(Dataset.construct(events))
    clock = next(part for part in model.fit_trainer.callbacks if isinstance(part, Clock))  # fit copies it
    versions = {name: version(name) for name in ("rectools", "torch", "pytorch-lightning", "numpy")}
    print(json.dumps({"seconds": clock.seconds, "losses": clock.losses, "versions": versions}))


if __name__ == "__main__":
    main()
