"""Chaos: kill a retraining at random moments, look at every store each time, and let it end.

    python -m benchmarks.chaos                     # 31 kills, about half an hour on two cores
    python -m benchmarks.chaos --kills 5 --out /dev/null

The smoke run is started, killed with SIGKILL at a moment drawn uniformly from the time that a whole run
takes, started again in the same home, and so on until one ends by itself; then a new home. Every second kill
takes the process alone, the others its children as well. After each kill `encore doctor` must find nothing
broken and every finished step must hold the bytes of the undisturbed run; after each end champion, ledger and
artefacts must be those of the undisturbed run. A run that is killed after it promoted judges the champion
against itself when it is started again, so the undisturbed run is made twice in its home as well.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks import timing
from flows import fingerprint
from flows.commands.up import prefect_server
from flows.environment import Home, prepare
from flows.record.doctor import examine
from flows.record.ledger import Ledger
from flows.record.promotion import pointed
from serving.process import free_port

SMOKE = "configs/smoke.toml"
GOAL = {"kills": 30, "broken": 0}
RESULT = timing.RESULTS / "chaos.json"
MOST_SECONDS = 600.0


def main() -> None:
    """Run it and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=31)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="encore-chaos-") as name,
        prefect_server(Home(Path(name) / "server"), free_port()) as url,
    ):
        os.environ["PREFECT_API_URL"] = f"{url}/api"
        result = chaos(Path(name), arguments.kills, random.Random(arguments.seed))
    Console().print_json(json.dumps({key: value for key, value in result.items() if key != "killed"}))
    if arguments.out != Path("/dev/null"):
        about = {"goal": GOAL, "machine": timing.machine("prefect", "mlflow"), "seed": arguments.seed}
        timing.write(about | result, arguments.out)
    sys.exit(1 if result["broken"] else 0)


def chaos(root: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill `kills` times; what was found after each."""
    started = time.perf_counter()
    whole = root / "whole"
    _wait(_start(whole))
    seconds = time.perf_counter() - started
    needed, champion = artefacts(whole).keys(), pointed(Home(whole).pointer)
    _wait(_start(whole))
    wanted = artefacts(whole)
    killed: list[dict[str, Any]] = []
    homes = _homes(root)
    home, ends = next(homes), 0
    for number in track(range(kills), description="Kills"):
        process = _start(home)
        moment, group = rng.uniform(0, seconds), bool(number % 2)
        while _ended(process, moment):  # it came to its end before the kill: look, and begin anew
            ends += 1
            killed.append({"ended": True, "broken": _compare(home, wanted, needed, champion)})
            home, moment = next(homes), rng.uniform(0, seconds)
            process = _start(home)
        _kill(process, group)
        broken = _look(home, wanted)
        killed.append({"second": round(moment, 2), "group": group, "broken": broken})
        print(f"kill {number + 1} at {moment:.1f} s: {'; '.join(broken) or 'all stores whole'}", flush=True)
    _wait(_start(home))
    killed.append({"ended": True, "broken": _compare(home, wanted, needed, champion)})
    broken = [words for each in killed for words in each["broken"]]
    return {
        "kills": kills,
        "ends": ends + 1,
        "broken": len(broken),
        "words": broken,
        "run_seconds": round(seconds, 1),
        "killed": killed,
    }


def artefacts(home: Path) -> dict[str, str]:
    """Digest of each finished step; the check of the data is left out, it carries the day."""
    folders = (home / "work").glob("*") if (home / "work").is_dir() else iter(())
    done = [each for each in folders if each.suffix != ".draft" and not each.name.startswith("validate")]
    return {each.name: fingerprint.of_folder(each) for each in done}


def _homes(root: Path) -> Iterator[Path]:
    """Empty homes, each in the place of the one before: the names of steps hold no path."""
    number = 0
    while True:
        shutil.rmtree(root / f"home-{number - 1}", ignore_errors=True)
        yield root / f"home-{number}"
        number += 1


def _start(home: Path) -> "subprocess.Popen[bytes]":
    home.mkdir(exist_ok=True)
    own = {
        "ENCORE_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "BENTOML_HOME": str(home / "bentoml"),
    }
    command = [sys.executable, "-c", "from flows.cli import main; main()", "retrain", SMOKE]
    log = (home / "said.log").open("ab")
    return subprocess.Popen(
        command, env={**os.environ, **own}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def _wait(process: "subprocess.Popen[bytes]") -> None:
    if process.wait(MOST_SECONDS):
        raise RuntimeError(f"a run that nobody kills must end well, but ended with {process.returncode}.")


def _kill(process: "subprocess.Popen[bytes]", group: bool) -> None:
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _look(home: Path, wanted: dict[str, str]) -> list[str]:
    """What is wrong right after a kill."""
    here = Home(home)
    os.environ["BENTOML_HOME"] = str(home / "bentoml")
    words = []
    if (home / "mlflow.db").exists():  # else it was killed before there was anything
        try:
            words += [f"{each.what}: {each.words}" for each in examine(here) if each.health == "broken"]
        except Exception as error:  # a store that can't even be opened is what is looked for
            words.append(f"doctor: {type(error).__name__}: {str(error).splitlines()[0]}")
    return words + [
        f"{name} differs" for name, digest in artefacts(home).items() if wanted.get(name) != digest
    ]


def _compare(home: Path, wanted: dict[str, str], needed: Set[str], champion: Any) -> list[str]:
    """What differs from the undisturbed run after an end."""
    words = _look(home, wanted)
    words += [f"{name} is missing" for name in needed - artefacts(home).keys()]
    found = pointed(Home(home).pointer)
    if found is None or (found.bento, found.bundle) != (champion.bento, champion.bundle):
        words.append(f"champion is {found}, not {champion}")
    acts = [entry.action for entry in Ledger(Home(home).ledger_url).entries()]
    return words + ([] if acts == ["promote"] else [f"ledger has {acts}, not one promotion"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="encore-chaos-server-") as own:
        prepare(Path(own))
        main()
