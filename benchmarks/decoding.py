"""Decoding: users per second and peak memory from 12 thousand to 1 million items, by each way to a list.

    python -m benchmarks.decoding
    python -m benchmarks.decoding --items 12000 --seconds 1 --out /dev/null

Every line is a process of its own. The floor of a way is the time to read once, from memory, what a batch has
to read (`mb_per_batch`), at the bandwidth measured in the same process. Below 1, the tables fit the caches.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import timing
from data.interactions import Interactions
from models.decoding.trie_beam import looked_up, trie_beam
from models.families import FAMILIES
from models.recommender import top_k
from models.tokenizers.code_table import CodeTable, build_trie

SIZES = (12_000, 100_000, 1_000_000)
K, BEAM, WIDTH = 10, 50, 64
LEVELS, CODES = 3, 256
SLOTS = 32
HISTORY = 20
RESULT = timing.RESULTS / "decoding.json"


@dataclass(frozen=True, slots=True)
class Job:
    """One way to a list, ready to run.

    Attributes:
        run: answers `users` histories.
        users: of one batch.
        bytes_read: what a batch has to read from memory once; None where arithmetic is the floor.
        held_bytes: the arrays it works on (in the peak as well).
    """

    run: Callable[[], object]
    users: int
    bytes_read: int | None
    held_bytes: int


def dense(n_items: int, users: int) -> Job:
    """Exact: a matrix product in float32 and the best of each row."""
    table, hidden = torch.randn(n_items, WIDTH), torch.randn(users, WIDTH)
    scores = torch.empty(users, n_items)

    def run() -> None:
        torch.mm(hidden, table.T, out=scores)
        top_k(scores.numpy(), K, None)

    # the table, and scores that do not fit the caches: written, then read twice
    return Job(run, users, _bytes(table) + 3 * _bytes(scores), _bytes(table) + _bytes(scores))


def beam(n_items: int, users: int) -> Job:
    """Trie beam over log-probabilities of all prefixes, made once."""
    trie = build_trie(random_codes(n_items))
    scores = np.random.default_rng(1).standard_normal((users, len(trie) - 1), dtype=np.float32)
    children = users * (CODES + 2 * BEAM * min(CODES, max(1, n_items // CODES)))
    held = scores.nbytes + sum(getattr(trie, name).nbytes for name in trie.__dataclass_fields__)
    score = looked_up(scores)
    return Job(lambda: trie_beam(score, users, trie, K, None, beam=BEAM), users, 4 * children, held)


def stepwise(n_items: int, users: int) -> Job:
    """A model that spells: the family `tiger`, from histories to lists, weights drawn at random."""
    if "tiger" not in FAMILIES:
        raise LookupError("The line needs the family 'tiger', but models.families has none: leave it out.")
    family = FAMILIES["tiger"]
    codes = CodeTable(random_codes(n_items), (CODES,) * LEVELS)
    config = family.config(beam=BEAM)  # type: ignore[call-arg]
    module = family.recommender.build(config, codes, np.empty((0, 0), dtype=np.float32))
    recommender = family.recommender(config, codes, module)
    rng = np.random.default_rng(1)
    histories = Interactions.from_histories(rng.integers(0, n_items, (users, HISTORY)).tolist())
    held = codes.codes.nbytes + sum(part.nbytes for part in recommender.module.state_dict().values())
    return Job(lambda: recommender.recommend(histories, K), users, None, held)


def slots(n_items: int, users: int) -> Job:
    """Exact over parallel codes: each item's score is the sum of its slots'."""
    from models.decoding.slots import top_slots

    rng = np.random.default_rng(1)
    codes = rng.integers(0, CODES, (n_items, SLOTS), dtype=np.uint8)
    scores = rng.standard_normal((users, SLOTS, CODES), dtype=np.float32)
    scores = torch.log_softmax(torch.from_numpy(scores), dim=2).numpy()
    return Job(lambda: top_slots(scores, codes, K), users, codes.nbytes, codes.nbytes + scores.nbytes)


WAYS: dict[str, Callable[[int, int], Job]] = {
    "dense": dense,
    "trie-beam": beam,
    "stepwise-beam": stepwise,
    "parallel-slots": slots,
}


def random_codes(n_items: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """int64 [I, LEVELS], no two rows alike, in no order."""
    spelled = np.random.default_rng(0).choice(CODES**LEVELS, n_items, replace=False)
    return np.stack([spelled // CODES**level % CODES for level in reversed(range(LEVELS))], axis=1)


def measure(way: str, n_items: int, users: int, seconds: float) -> dict[str, Any]:
    """One line, in this process."""
    job = WAYS[way](n_items, users)
    timing.forget_peak()  # of making the trie and the codes
    job.run()
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while not taken or time.perf_counter() < until:
        started = time.perf_counter()
        job.run()
        taken.append(time.perf_counter() - started)
    peak = timing.resident_bytes(peak=True)
    read, gigabytes = timing.memory_read()
    bandwidth = gigabytes / timing.interleaved({"read": read}, 5)["read"]
    floor = None if job.bytes_read is None else job.bytes_read / (bandwidth * 1e9)
    return {
        "way": way,
        "items": n_items,
        "users_at_once": users,
        "users_per_second": round(users / min(taken), 1),
        "peak_mib": round(peak / timing.MIB),
        "held_mib": round(job.held_bytes / timing.MIB, 1),
        "scores_of_all_mib": round(users * n_items * 4 / timing.MIB, 1),
        "gb_per_second": round(bandwidth, 1),
        "mb_per_batch": None if job.bytes_read is None else round(job.bytes_read / 1e6, 2),
        "times_the_floor": None if floor is None else round(min(taken) / floor, 1),
    }


def main() -> None:
    """Run every line in its own process, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--users", type=int, nargs="+", default=(1, 32), help="histories answered at once")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each line")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--line", nargs=3, metavar=("WAY", "ITEMS", "USERS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.line:
        way, items, users = given.line
        print(json.dumps(measure(way, int(items), int(users), given.seconds)))
        return
    machine, lines, absent = timing.machine(), [], {}
    for way in given.ways:
        if reason := _missing(way):
            absent[way] = reason
            print(f"{way}: left out, {reason}")
            continue
        for items in given.items:
            for users in given.users:
                line = timing.in_child(
                    "benchmarks.decoding",
                    *("--line", way, items, users, "--seconds", given.seconds, "--threads", given.threads),
                )
                print("  ".join(f"{name} {value}" for name, value in line.items()), flush=True)
                lines.append(line)
    report = {
        "command": f"python -m benchmarks.decoding --seconds {given.seconds:g} --threads {given.threads}",
        "machine": machine,
        "k": K,
        "beam": BEAM,
        "absent": absent,
        "lines": lines,
    }
    timing.write(report, given.out)


def _missing(way: str) -> str | None:
    if way == "stepwise-beam" and "tiger" not in FAMILIES:
        return "no family 'tiger' in models.families"
    if way == "parallel-slots" and not (timing.RESULTS.parents[1] / "models/decoding/slots.py").is_file():
        return "no models/decoding/slots.py"
    return None


def _bytes(array: torch.Tensor) -> int:
    return array.numel() * array.element_size()


if __name__ == "__main__":
    main()
