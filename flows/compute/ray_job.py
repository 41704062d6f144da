"""Ray job: data preparation and one training on the nodes of a Ray cluster, started by one step.

The job is a process of its own that ends with the step: it prepares the data on its own node, puts one rank
after the other on the nodes (`ray_rank.py`), and hands on what rank 0 says. No node but the job's reads
files of the project: the data go through Ray's object store, a checkpoint to and from rank 0 as bytes.
"""

import importlib.util
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import fingerprint
from flows.compute.ranks import GRACE_SECONDS, RankFailed, Say, Trouble, failure, together
from flows.compute.ray_rank import CODE, RayRank
from flows.compute.shared_fit import Fit
from flows.retraining.context import Context
from flows.steps import Artefact
from flows.tasks.tokenizer import fit_data
from models.fitting import Fitted, Sent
from models.learning.data_parallel import Place
from models.recommender import Epoch, Watcher

LOOK_SECONDS = 0.2
START_SECONDS = 300.0  # until every rank has its place; a busy cluster has none to give


@dataclass(frozen=True, slots=True)
class RayJob:
    """One job.

    Attributes:
        run: the retrain it belongs to.
        fit: what to train.
        window: to learn from.
        codes: semantic IDs of its items.
        processes: ranks, each on `fit.threads` CPUs.
        address: `host:port` of the head, or "auto".
    """

    run: Context
    fit: Fit
    window: Artefact
    codes: Artefact
    processes: int
    address: str

    def submit(self, *, watch: Watcher, checkpoint: Path) -> Fitted:
        """Run it and wait.

        Args:
            watch: called with the epochs.
            checkpoint: file to resume from and to keep.

        Raises:
            ValueError: Ray is not installed, nothing answers at the address, or the nodes cannot hold all.
            RankFailed: a rank raised or was killed, or the job was.
        """
        _must_be_there(self.address)

        def hear(said: tuple[Epoch, bytes]) -> None:
            epoch, content = said
            draft = checkpoint.with_suffix(".draft")
            draft.write_bytes(content)
            draft.replace(checkpoint)
            watch(epoch)

        resume = checkpoint.read_bytes() if checkpoint.exists() else None
        sent: Sent | Exception = together(1, _drive, hear, job=self, resume=resume)
        if isinstance(sent, Exception):
            raise sent
        return sent.fitted()


def _must_be_there(address: str) -> None:
    """Say at once what is missing."""
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            f"[compute] ray = {address!r} needs the package ray, but it is not installed: "
            "pip install 'encore[ray]', or leave ray empty to train on this machine."
        )
    host, _, port = address.rpartition(":")
    try:
        if host:
            socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ValueError(
            f"[compute] ray must be the address of a Ray cluster's head, but {address!r} does not answer "
            f"({error}): start one with `ray start --head`, or leave ray empty to train on this machine."
        ) from error


def _drive(rank: int, say: Say, *, job: RayJob, resume: bytes | None) -> Sent | Exception:
    """The job's own process, a node's driver; what the caller should see as it is comes back as an error."""
    import ray

    try:
        ray.init(address=job.address, log_to_driver=False, logging_level="warning")
    except ConnectionError as error:
        return ValueError(
            f"[compute] ray must be a cluster that this machine belongs to, but got {job.address!r} "
            f"({error}): run `ray start --address=HOST:PORT` here first."
        )
    try:
        return _Cluster(ray, job).fit(say, resume)
    except (ValueError, RankFailed) as error:
        return error
    finally:
        ray.shutdown()


class _Cluster:
    """The nodes as the job uses them."""

    def __init__(self, ray: Any, job: RayJob) -> None:
        self.ray, self.job = ray, job
        self.mine = ray.get_runtime_context().get_node_id()

    def fit(self, say: Say, resume: bytes | None) -> Sent:
        """Prepare the data, start the ranks, hear them to the end."""
        job = self.job
        places = self._places()
        prepare = self.ray.remote(num_cpus=0, **self._on(self.mine))(fit_data)
        learn = prepare.remote(job.run, job.window, job.codes)
        actor = self.ray.remote(num_cpus=job.fit.threads, max_concurrency=2)(RayRank)
        ranks = [actor.options(**self._on(node)).remote() for node in places]
        try:
            meeting = self._started(ranks)
            told: list[Any] = [
                rank.fit.remote(job.fit, learn, Place(number, len(ranks), meeting), resume)
                for number, rank in enumerate(ranks)
            ]
            return self._listen(ranks, told, say)
        finally:
            for rank in ranks:
                self.ray.kill(rank)

    def _on(self, node: str) -> dict[str, Any]:
        """Options of what runs on this node and no other."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}

    def _places(self) -> list[str]:
        """A node for each rank: one after the other in turns, the job's own first."""
        threads, wanted = self.job.fit.threads, self.job.processes
        nodes = [node for node in self.ray.nodes() if node["Alive"]]
        room = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) // threads for node in nodes}
        if sum(room.values()) < wanted:
            raise ValueError(
                f"[compute] processes = {wanted} with threads = {threads} each must fit on the cluster, but "
                f"its {len(nodes)} nodes hold {sum(room.values())}: add nodes, or ask for less."
            )
        order = sorted(room, key=lambda node: (node != self.mine, node))
        turns = [(turn, node) for node in order for turn in range(room[node])]
        return [node for _, node in sorted(turns, key=lambda each: (each[0], order.index(each[1])))][:wanted]

    def _started(self, ranks: list[Any]) -> str:
        """Wait until all are there and run this code; where they meet."""
        refs = [rank.code.remote() for rank in ranks]
        ready, late = self.ray.wait(refs, num_returns=len(refs), timeout=START_SECONDS)
        if late:
            raise ValueError(
                f"All {len(refs)} ranks must start within {START_SECONDS:g} s, but {len(late)} found no free "
                "place on the cluster: wait for its other jobs, or ask for fewer [compute] processes."
            )
        here, there = fingerprint.of_code(*CODE), self._result(ready, 0)
        others = [str(there)] if isinstance(there, Trouble) else [code for code in there if code != here]
        if others:
            raise ValueError(
                f"All nodes must run the code of this one ({here}), but got {others[0]}: install "
                "the same version of encore on every node."
            )
        meeting: str = self.ray.get(ranks[0].meeting.remote())
        return meeting

    def _listen(self, ranks: list[Any], told: list[Any], say: Say) -> Sent:
        """Hand on what rank 0 says until all have ended, or one ended badly."""
        results: dict[int, Any] = {}
        troubles: list[Trouble] = []
        until = float("inf")
        while len(results) + len(troubles) < len(told) and time.monotonic() < until:
            open_ones = [ref for n, ref in enumerate(told) if n not in results and not _has(troubles, n)]
            for ref in self.ray.wait(open_ones, num_returns=1, timeout=LOOK_SECONDS)[0]:
                number = told.index(ref)
                result = self._result(ref, number)
                if isinstance(result, Trouble):
                    troubles.append(result)
                    until = min(until, time.monotonic() + GRACE_SECONDS)
                else:
                    results[number] = result
            for news in self._news(ranks[0]):
                say(news)
        if troubles:
            raise failure(troubles, len(ranks))
        sent: Sent = results[0]
        return sent

    def _news(self, first: Any) -> list[tuple[Epoch, bytes]]:
        """What rank 0 said; nothing once it is gone, which `_result` will tell."""
        try:
            news: list[tuple[Epoch, bytes]] = self.ray.get(first.news.remote())
        except self.ray.exceptions.RayError:
            return []
        return news

    def _result(self, ref: Any, number: int) -> Any:
        """What a rank returned; Trouble if it is gone, or could not begin."""
        errors = self.ray.exceptions
        try:
            return self.ray.get(ref)
        except errors.RayError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            if isinstance(error, errors.RayActorError):
                return Trouble(number, f"was killed ({lines[0]})", float("-inf"))
            return Trouble(number, f"could not begin ({lines[-1]})", float("-inf"))


def _has(troubles: list[Trouble], number: int) -> bool:
    return any(trouble.rank == number for trouble in troubles)
