"""Run: every asked contender on every asked data set; after each one the result is written anew.

The order is fixed by the config and no number of one contender changes another: each is tuned on validation
users first, then fitted and asked for the test once a seed. So several processes may share them.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flows import devices, fingerprint
from flows.benchmark.asked import Asked
from flows.benchmark.cold import baselines, cold_fit
from flows.benchmark.config import BenchmarkConfig, Contender, chosen, contenders
from flows.benchmark.fit import SHOWN, WAYS, fit, refit
from flows.benchmark.found import found_before
from flows.benchmark.pieces import Piece, Pieces
from flows.benchmark.problem import Problem, open_problem
from flows.benchmark.record import Record
from flows.benchmark.table.compare import opponents, significance
from flows.benchmark.table.rows import Row, protocols
from flows.benchmark.tune import tune
from flows.compute.claims import Claims
from flows.compute.helpers import helped
from flows.environment import LAYERS, Home, prepare
from flows.tracking.machine import machine
from flows.tracking.recording import commit
from flows.tracking.tracker import Tracker
from models.fitting import use_threads
from validation.evaluation.cold_items import ColdSplit, hold_out

EXPERIMENT = "encore benchmark"
Publish = Callable[[dict[str, Any]], None]


def benchmark(
    config: BenchmarkConfig,
    asked: Asked,
    home: Home,
    publish: Publish,
    earlier: dict[str, Any] | None = None,
    *,
    tell: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Do what is missing and return everything that is there.

    Args:
        config: the benchmark.
        asked: what the command line wants.
        home: where pieces and runs go.
        publish: is given the result after each contender.
        earlier: what the result file holds; its settings are used if `asked.found`.
        tell: called first in each further process, of a module; lets it tell what it does.

    Raises:
        ConfigError: a data set or family that is not known.
        DataError: files are missing or break a rule.
        ValueError: a family is to train on a device that torch does not see.
        HelperFailed: one of several processes met an error.
    """
    use_threads(config.threads)
    jobs = _jobs(config, asked)
    devices.require(row.fixed for _, row in jobs)
    tracker = Tracker(home.tracking_uri, home.files_url, EXPERIMENT)
    everything = _Everything(config, asked, home, tracker, earlier if asked.found else None)
    with tempfile.TemporaryDirectory() as folder:
        claims = Claims(Path(folder), len(jobs))
        helpers = min(asked.workers, len(jobs)) - 1
        if helpers:
            _ = tracker.experiment_id  # made once, before several look for it
        shared = {"config": config, "asked": asked, "home": home.root, "found": everything.found}
        with helped(helpers, _help, **shared, claims=claims, tell=tell):
            for job in claims.take():
                everything.make(*jobs[job])
                publish(everything.result())
        for job in claims.left():  # a helper was killed
            everything.make(*jobs[job])
    result = everything.result()
    publish(result)
    return result


def _jobs(config: BenchmarkConfig, asked: Asked) -> list[tuple[str, Contender]]:
    """Data set and contender of every job; ablations last, as they wait for their families' settings."""
    rows, names = contenders(config, asked.families), chosen(asked.datasets, config.datasets, "--datasets")
    rows = [row for row in rows if asked.ablations or not row.is_ablation]
    rows.sort(key=lambda row: row.is_ablation)
    return [(name, row) for name in names for row in rows]


def _help(
    config: BenchmarkConfig,
    asked: Asked,
    home: Path,
    found: dict[str, Any] | None,
    claims: Claims,
    tell: Callable[[], None],
) -> None:
    """What a further process does: jobs until none is left; the first one publishes what comes out."""
    prepare(home)
    tell()
    use_threads(config.threads)
    here, jobs = Home(home), _jobs(config, asked)
    tracker = Tracker(here.tracking_uri, here.files_url, EXPERIMENT)
    everything = _Everything(config, asked, here, tracker, found)
    for job in claims.take():
        everything.make(*jobs[job])


@dataclass
class _Everything:
    """The pieces of all data sets: `make` what is missing, `result` of what is there."""

    config: BenchmarkConfig
    asked: Asked
    home: Home
    tracker: Tracker
    found: dict[str, Any] | None
    _problems: dict[tuple[str, str], Problem] = field(default_factory=dict)
    _splits: dict[str, ColdSplit | None] = field(default_factory=dict)

    def make(self, dataset: str, contender: Contender) -> None:
        """Tune, fit and ask one contender, also for held-out items, as far as it was not done."""
        pieces = Pieces(self._root(dataset))
        problem = self._problem(dataset, pieces, contender.items)
        if problem is None:
            raise RuntimeError(f"{dataset}: pieces that may be made must be there: report this.")
        record = Record(self.tracker, problem, contender)
        row = self._row(problem, contender, record, pieces)
        if row is not None:
            record.finish({f"test.{way}.{metric}": row.mean(way, metric) for way in WAYS for metric in SHOWN})
        if self.asked.cold and not contender.is_ablation:
            self._cold(dataset, [contender], pieces)

    def result(self) -> dict[str, Any]:
        """Everything that was found, for the JSON file."""
        datasets = {name: self._dataset(name) for name in self.config.datasets}
        return {
            "benchmark": self.config.name,
            "title": self.config.title or self.config.name,
            "command": self.asked.command(self.config.name),
            "code": fingerprint.of_code(*LAYERS)[:12],
            "commit": commit(),
            "machine": machine(self.config.threads),
            "seeds": self.asked.seeds,
            "cold_share": self.asked.cold,
            "config": self.config.model_dump(mode="json", exclude={"published", "datasets"}),
            "datasets": {name: found for name, found in datasets.items() if found is not None},
        }

    def _dataset(self, name: str) -> dict[str, Any] | None:
        """What is there of one data set; None where nothing is."""
        pieces = Pieces(self._root(name), only_found=True)
        kinds = dict.fromkeys(["", *(each.items for each in contenders(self.config))])
        opened = (self._problem(name, pieces, items) for items in kinds)  # the same window whatever the codes
        problem = next((each for each in opened if each is not None), None)
        if problem is None:
            return None
        found = [self._found(name, each, pieces) for each in contenders(self.config)]
        rows = [row for row in found if row is not None]
        if not rows:
            return None
        table = [row.to_json() for row in rows]
        pair = opponents(table, self.config.recipe)
        return {
            "profile": problem.profile(),
            "protocol": protocols(rows),
            "rows": table,
            "published": [each.model_dump() for each in self.config.published if each.dataset == name],
            "significance": pair and significance(*pair),
            "cold": self._cold(name, contenders(self.config), pieces),
        }

    def _found(self, name: str, contender: Contender, pieces: Pieces) -> Row | None:
        """What is there of a contender."""
        problem = self._problem(name, pieces, contender.items)
        if problem is None:
            return None
        return self._row(problem, contender, Record(self.tracker, problem, contender), pieces)

    def _row(self, problem: Problem, contender: Contender, record: Record, pieces: Pieces) -> Row | None:
        """A contender's pieces; None as long as one fit is not there."""
        tuned = self._tuned(problem, contender, record, pieces)
        if tuned is None:
            return None
        seeds = range(self.asked.seeds)
        fits = _there(fit(problem, contender, tuned, seed, pieces, record) for seed in seeds)
        refits: tuple[Piece, ...] = ()
        if self.asked.refit and self.config.refit and not contender.is_ablation:
            refits = _there(refit(problem, contender, each, pieces, record) for each in fits)
        return Row(contender, tuned, fits, refits) if fits else None

    def _tuned(self, problem: Problem, contender: Contender, record: Record, pieces: Pieces) -> Piece | None:
        """The study of a contender's family, on the data set that it is tuned on."""
        parent = replace(contender, name=contender.parent, changed={})
        where = self.config.tune_on or problem.name
        if self.found is not None:
            on = Pieces(self._root(where), only_found=pieces.only_found)
            before = found_before(self.found, contender, where, on)
            if before is not None:
                return before
        if where == problem.name and not contender.is_ablation:
            return tune(problem, parent, pieces, record, self.home)
        pieces = Pieces(self._root(where), only_found=pieces.only_found)
        other = self._problem(where, pieces, contender.items)
        if other is None:
            return None
        above = Record(self.tracker, other, parent)
        tuned = tune(other, parent, pieces, above, self.home)
        above.finish({})
        return tuned

    def _cold(self, name: str, rows: Sequence[Contender], pieces: Pieces) -> dict[str, Any] | None:
        """The experiment with held-out items; None where it was not asked for or nobody wanted one."""
        share, problem = self.asked.cold, self._problem(name, pieces)
        if not share or problem is None:
            return None
        if name not in self._splits:
            self._splits[name] = hold_out(problem.valid, problem.test, share, seed=self.config.seed)
        split = self._splits[name]
        known = None if split is None else baselines(problem, split, share, pieces)
        if split is None or known is None:
            return None
        table = dict(known.result["rows"])
        by = {name: [known.result["made"]] for name in table}
        for contender in rows:
            if not contender.is_ablation and contender.name in (
                self.config.cold.families or (contender.name,)
            ):
                own = self._problem(name, pieces, contender.items)
                if own is None:
                    continue
                record = Record(self.tracker, own, contender)
                row = self._row(own, contender, record, pieces)
                found = row and cold_fit(own, split, share, contender, row.fits[0], pieces, record)
                if found:
                    table[contender.name] = found.result["cold"]
                    by[contender.name] = [found.result["made"]]
                record.finish({})
        counts = {key: known.result[key] for key in ("items", "users")}
        return {"share": share, **counts, "rows": table, "made": by}

    def _problem(self, name: str, pieces: Pieces, items: str = "") -> Problem | None:
        """The data set, opened once with each kind of item vectors and codes.

        None where nothing of it is there and nothing may be made.
        """
        key = (name, items)
        if key not in self._problems and (pieces.root.is_dir() or not pieces.only_found):
            config = self.config.with_items(items)
            problem = open_problem(name, config, self.asked.data, self.home, pieces)
            if problem is not None:
                self._problems[key] = problem
        return self._problems.get(key)

    def _root(self, dataset: str) -> Path:
        return self.home.work / "benchmark" / self.config.name / dataset


def _there(pieces: Iterable[Piece | None]) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if piece is not None)
