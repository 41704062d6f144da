"""Cold: contenders and simple baselines asked for items that none of them learned from."""

from pathlib import Path
from typing import Any

from flows import fingerprint
from flows.benchmark.config import Contender
from flows.benchmark.fit import CHECKPOINT, trained
from flows.benchmark.made import made
from flows.benchmark.pieces import Piece, Pieces
from flows.benchmark.problem import Problem
from flows.benchmark.record import Record
from flows.benchmark.tune import code_of
from models.recommender import FitData
from validation.evaluation.cold_items import ColdSplit, Counts, TextSimilarity, ask

KNOWING = "popularity within cold (knows the removed events)"


def baselines(problem: Problem, split: ColdSplit, share: float, pieces: Pieces) -> Piece | None:
    """What needs no training: text, and the held-out items' own counts, which no honest model knows."""
    decay = problem.config.cold.decay
    code = fingerprint.of_modules("validation.evaluation.cold_items")
    content: list[Any] = [problem.digest, share, decay, code]

    def make(_: Path) -> dict[str, Any]:
        n_cold = int(split.held_out.sum())
        rows: dict[str, Any] = {
            KNOWING: ask(Counts(split.removed), split),
            "by chance": {"within": {"recall@10": min(1.0, 10 / n_cold)}},
        }
        if problem.has_text:
            rows["text similarity"] = ask(TextSimilarity(problem.codes.vectors, decay), split)
        about = made(code, problem.config.threads)
        return {"items": n_cold, "users": len(split.test.query_users), "rows": rows, "made": about}

    return pieces.get("cold baselines", content, make)


def cold_fit(
    problem: Problem,
    split: ColdSplit,
    share: float,
    contender: Contender,
    validated: Piece,
    pieces: Pieces,
    record: Record,
) -> Piece | None:
    """A contender that never met the held-out items, with the settings and epochs of its validated fit."""
    settings, epochs = validated.result["settings"], int(validated.result["epochs"])
    seed = int(validated.result["seed"])
    content: list[Any] = [problem.digest, code_of(contender), contender.family, settings, epochs, seed, share]
    content += [problem.config.threads, fingerprint.of_modules("validation.evaluation.cold_items")]
    codes = problem.codes

    def make(draft: Path) -> dict[str, Any]:
        with record.child("fit", f"cold items, seed {seed}", settings) as run:
            fitted, spent = trained(
                f"{problem.name} · {contender.name} · cold",
                contender.family,
                settings,
                FitData(split.learn, len(split.held_out), codes.vectors, codes.table),
                seed=seed,
                run=run,
                checkpoint=draft / CHECKPOINT,
                stop_after=epochs or None,
            )
            found = ask(fitted.recommender, split)
            for where, values in found.items():
                run.numbers({f"cold.{where}.{metric}": value for metric, value in values.items()})
        (draft / CHECKPOINT).unlink(missing_ok=True)
        about = made(code_of(contender), problem.config.threads)
        return {"seed": seed, **spent.to_json(), "cold": found, "made": about}

    return pieces.get(f"{contender.name} cold {seed}", content, make)
