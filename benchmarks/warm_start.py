"""Warm start: going on from last month's model against starting anew, on the default data.

    python -m benchmarks.warm_start                  # ten minutes on two cores

A champion learns until the first cut-off. A month later the codes are kept, the catalogue has grown, and
models learn until the second cut-off: cold ones from nothing with the champion's settings, warm ones from the
champion's weights. How long and how fast they learn was chosen on November; December is read by the defaults
of `WarmConfig` and one cold model alone, with a paired bootstrap between them.
"""

import argparse
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from benchmarks import timing
from data.interactions import Ints
from data.snapshot import Snapshot, write_snapshot
from data.sources import load as read_source
from data.split import Window
from data.windows import time_window
from flows.config import RunConfig, load
from flows.retraining.warm_config import WarmConfig
from models.bundle import Bundle
from models.fitting import Fitted, encode_items, fit_codes, fit_family, use_threads
from models.recommender import FitData, Recommender
from models.tokenizers.keep import keep_codes
from models.translated import Translated
from models.warm_start import go_on
from validation.evaluation.evaluate import evaluate
from validation.evaluation.report import Report
from validation.gates.significance import paired_bootstrap

FAMILY, METRIC = "trie-pointer", "ndcg@10"
# the champion learns until the first, the others until the second, asked until the third
CHOSEN_ON = ("2017-10-01", "2017-11-01", "2017-12-01")
READ_ON = ("2017-11-01", "2017-12-01", None)
COLD_EPOCHS = (1, 2)
TRIED = [WarmConfig(epochs=1, rate_share=share) for share in (0.2, 0.5, 1.0)]
RESULT = timing.RESULTS / "warm_start.json"


@dataclass(frozen=True, slots=True)
class Month:
    """A champion and what may be learned a month later.

    Attributes:
        window: the later one.
        learn: with the champion's codes, kept.
        champion: trained on the earlier one.
        then: int64 [items of the later one], ids of the champion's catalogue, -1 for a new item.
    """

    window: Window
    learn: FitData
    champion: Bundle
    then: Ints


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("configs/default.toml"))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    config = load(given.config)
    use_threads(config.threads)
    machine = timing.machine()
    with tempfile.TemporaryDirectory(prefix="encore-warm-") as scratch:
        snapshot = write_snapshot(read_source(config.source), Path(scratch))
        chosen_on = chosen(config, snapshot)
        read_on = read_once(config, snapshot)
    report = {
        "command": "python -m benchmarks.warm_start",
        "machine": machine,
        "seed": config.seed,
        "november": chosen_on,
        "december": read_on,
    }
    timing.write(report, given.out)


def chosen(config: RunConfig, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Every setting on November."""
    month = a_month(config, snapshot, *CHOSEN_ON)
    lines = [line(month, "champion", None, score(month, None))]
    for epochs in COLD_EPOCHS:
        fitted = cold(config, month, epochs)
        lines.append(line(month, f"cold, {epochs} epochs", fitted, score(month, fitted)))
    for how in TRIED:
        fitted = warm(config, month, how)
        words = f"warm, {how.epochs} epochs, {how.rate_share:g} of the rate"
        lines.append(line(month, words, fitted, score(month, fitted)))
    return lines


def read_once(config: RunConfig, snapshot: Snapshot) -> dict[str, Any]:
    """The defaults on December."""
    month = a_month(config, snapshot, *READ_ON)
    anew, further = cold(config, month, epochs_of(config)), warm(config, month, WarmConfig())
    reports = [score(month, fitted) for fitted in (None, anew, further)]
    found = paired_bootstrap(reports[2].values(METRIC), reports[1].values(METRIC), seed=config.seed)
    names = ("champion", "cold", "warm")
    lines = [
        line(month, name, fitted, report)
        for name, fitted, report in zip(names, (None, anew, further), reports, strict=True)
    ]
    print(f"warm - cold {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]")
    return {"lines": lines, "warm_minus_cold": asdict(found)}


def a_month(config: RunConfig, snapshot: Snapshot, first: str, second: str, until: str | None) -> Month:
    """The champion of the first cut-off, and the window of the second."""
    before = window_of(config, snapshot, first, second)
    codes = fit_codes(before.catalogue, before.train, config.encoder, config.tokenizer, seed=config.seed)
    learn = FitData(before.train, len(before.catalogue), codes.vectors, codes.table)
    champion = fit_family(
        FAMILY, config.families[FAMILY], learn, seed=config.seed, stop_after=epochs_of(config)
    )
    packed = Bundle(champion.recommender, before.catalogue, before.user_keys, before.train, {})
    later = window_of(config, snapshot, second, until)
    vectors = encode_items(later.catalogue, config.encoder, seed=config.seed, events=later.train)
    then = before.catalogue.ids(later.catalogue.keys)
    kept = keep_codes(codes, vectors, then).codes
    print(f"{second}: {len(then):,} items, {int((then < 0).sum()):,} of them new", flush=True)
    return Month(later, FitData(later.train, len(then), kept.vectors, kept.table), packed, then)


def window_of(config: RunConfig, snapshot: Snapshot, cutoff: str, until: str | None) -> Window:
    """Learn until one midnight, ask until the other."""
    end = None if until is None else seconds(until)
    return time_window(snapshot, name=cutoff, cutoff=seconds(cutoff), until=end, filters=config.filters)


def seconds(day: str) -> int:
    """Unix seconds of a day's midnight UTC."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def epochs_of(config: RunConfig) -> int:
    """Epochs of the default run."""
    return int(config.families[FAMILY]["epochs"])


def cold(config: RunConfig, month: Month, epochs: int) -> Fitted:
    """From nothing."""
    settings = config.families[FAMILY] | {"epochs": epochs}
    return fit_family(FAMILY, settings, month.learn, seed=config.seed, stop_after=epochs)


def warm(config: RunConfig, month: Month, how: WarmConfig) -> Fitted:
    """From the champion's weights."""
    asked: dict[str, Any] = {"epochs": how.epochs, "rate_share": how.rate_share}
    return go_on(month.champion.recommender, month.learn, month.then, **asked, seed=config.seed)


def score(month: Month, fitted: Fitted | None) -> Report:
    """Of the later window's queries; the champion, where nothing was fitted, answers with its own items."""
    asked = Translated(month.champion, month.window.catalogue) if fitted is None else fitted.recommender
    return evaluate(cast(Recommender, asked), month.window, family=FAMILY, ks=(10,))[0]


def line(month: Month, name: str, fitted: Fitted | None, report: Report) -> dict[str, Any]:
    """One row, printed."""
    spent = sum(epoch.seconds for epoch in fitted.history) if fitted else 0.0
    print(f"{name:<34} {METRIC} {report.mean(METRIC):.4f}  {spent:6.1f} s", flush=True)
    return {"model": name, METRIC: round(report.mean(METRIC), 5), "fit_seconds": round(spent, 1)}


if __name__ == "__main__":
    main()
