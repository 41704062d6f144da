"""Ray rank: one process of a training on a Ray cluster; it knows its place, not the cluster."""

import queue
import socket
import tempfile
import time
from pathlib import Path

from flows import environment, fingerprint
from flows.compute.ranks import Trouble
from flows.compute.shared_fit import Fit
from models.fitting import Sent
from models.learning.data_parallel import Place, joined
from models.recommender import Epoch, FitData

CODE = ("data", "models")
"""Layers that must be the same on every node."""


class RayRank:
    """A rank as an actor: `fit` works in one of its threads while `news` answers in another."""

    def __init__(self) -> None:
        self.said: queue.SimpleQueue[tuple[Epoch, bytes]] = queue.SimpleQueue()

    def code(self) -> str:
        """Fingerprint of the code that this node runs."""
        return fingerprint.of_code(*CODE)

    def meeting(self) -> str:
        """An address of this node that was free a moment ago."""
        import ray

        host = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((host, 0))
            return f"tcp://{host}:{probe.getsockname()[1]}"

    def news(self) -> list[tuple[Epoch, bytes]]:
        """Epochs since it was last asked, each with its checkpoint."""
        return [self.said.get() for _ in range(self.said.qsize())]

    def fit(self, fit: Fit, learn: FitData, place: Place, resume: bytes | None) -> Sent | Trouble | None:
        """Train with the others; rank 0 has the result, and an error is returned with its time."""
        import ray

        environment.talk_at(ray.util.get_node_ip_address())
        try:
            return self._fit(fit, learn, place, resume)
        except BaseException as error:
            return Trouble(place.rank, f"ended with {type(error).__name__}: {error}", time.time())

    def _fit(self, fit: Fit, learn: FitData, place: Place, resume: bytes | None) -> Sent | None:
        with tempfile.TemporaryDirectory(prefix="encore-ray-") as folder, joined(place):
            checkpoint = Path(folder) / "checkpoint.safetensors"
            if resume is not None:
                checkpoint.write_bytes(resume)

            def watch(epoch: Epoch) -> None:
                self.said.put((epoch, checkpoint.read_bytes()))

            first = place.rank == 0
            fitted = fit.here(learn, watch=watch if first else None, checkpoint=checkpoint if first else None)
            return Sent.of(fitted) if first else None
