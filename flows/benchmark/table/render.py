"""Render: a benchmark's result as tables for people, as Markdown and as pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from flows.benchmark.table.origins import kept
from flows.retraining.standings import markdown
from flows.tracking import plots
from flows.tracking.plots import Spread

METRICS = tuple(f"{name}@{k}" for k in (5, 10, 20) for name in ("recall", "ndcg"))
SHORT = {metric: metric.replace("recall", "R").replace("ndcg", "N") for metric in METRICS}
JUDGED = "ndcg@10"
KEPT = " °"
WALL = " w"
Cells = list[dict[str, str]]


def document(result: Mapping[str, Any], pictures: Sequence[str] = ()) -> str:
    """The whole result as one Markdown page."""
    machine = result["machine"]
    lines = [f"# {result['title']}", ""]
    if result["command"]:
        lines += [f"`{result['command']}`", ""]
    where = f"{machine['processor']}, threads: {machine['threads']}, torch {machine['torch']}"
    tuned = f"on validation {result['config']['metric']}{_tuned_on(result)}"
    lines += [
        f"{where}. Tuning trials of each family that has something to tune: "
        f"{result['config']['tuning']['trials']}, {tuned}. "
        f"Seeds: {result['seeds']}, mean ± standard deviation; a row without ± has one seed. "
        "Rows marked *published* were measured by others and not run here. "
        "`fit s` and `tuning s` are seconds of the processor, which other work does not change; "
        f"where only the clock's were recorded they are marked{WALL}.",
        "",
    ]
    told = [*result.get("not_kept", ()), *_settings_of_earlier(result)]
    lines += [line for each in told for line in (f"- {each}", "")]
    for title, note, cells in sections(result):
        lines += [f"## {title}", "", note, "", markdown(cells), ""]
    lines += [line for name in pictures for line in (f"![{name}]({name})", "")]
    return "\n".join(lines)


def sections(result: Mapping[str, Any]) -> Iterator[tuple[str, str, Cells]]:
    """Title, protocol or note, and rows of each table that has any."""
    for name, found in result["datasets"].items():
        rows = sorted(found["rows"], key=lambda row: -row["test"]["masked"][JUDGED]["mean"])
        families = [row for row in rows if row["ablation_of"] is None]
        profile = found["profile"]
        size = f"{profile['users']:,} users, {profile['items']:,} items, {profile['events']:,} events. "
        for way in ("masked", "unmasked"):
            note = size + in_words(found["protocol"][f"fitted on train, {way}"])
            published = found["published"] if way == "masked" else []
            cells = [_measured(row, row["test"][way]) for row in families] + [*map(_published, published)]
            yield f"{name} · fitted on train · seen items {way}", note, cells
        again = [row for row in families if "refitted" in row]
        for way in ("masked", "unmasked") if again else ():
            note = in_words(found["protocol"][f"fitted on train + validation, {way}"])
            cells = [_measured(row, row["refitted"]["test"][way], row["refitted"]) for row in again]
            yield f"{name} · fitted on train + validation · seen items {way}", note, cells
        ablated = _ablations(rows)
        if ablated:
            note = "Best settings of the family with one change; seen items masked, fitted on train."
            yield f"{name} · ablations", note, [_measured(row, row["test"]["masked"]) for row in ablated]
        yield from _compared(name, found["significance"])
        yield from _cold(name, found["cold"])
        yield from _kept(name, found)


def figures(result: Mapping[str, Any]) -> dict[str, Figure]:
    """Accuracy against training cost, and bars of the ablations, for each data set."""
    drawn: dict[str, Figure] = {}
    for name, found in result["datasets"].items():
        families = [row for row in found["rows"] if row["ablation_of"] is None]
        seconds = {row["name"]: _seconds(row)[0] for row in families}
        others = {each["name"]: each["values"].get(JUDGED) for each in found["published"]}
        drawn[f"{name}_cost"] = plots.accuracy_and_cost(
            [_spread(row) for row in families],
            seconds,
            {label: value for label, value in others.items() if value is not None},
            metric=f"{name}: NDCG@10, masked",
            winner=result["config"]["recipe"],
        )
        ablated = _ablations(found["rows"])
        if ablated:
            spreads = [_spread(row) for row in ablated]
            drawn[f"{name}_ablations"] = plots.ablations(spreads, metric=f"{name}: NDCG@10, masked")
    return drawn


def in_words(protocol: Mapping[str, Any]) -> str:
    """A protocol in one line."""
    seen = "seen items masked" if protocol["seen_masked"] else "seen items not masked"
    return (
        f"Protocol: {protocol['split']}, {protocol['target']}, {protocol['candidates']}, {seen}, "
        f"cold targets {protocol['cold_targets']}, hits {protocol['hits']}, ties: {protocol['ties']}, "
        f"fitted on {protocol['fitted_on']}."
    )


def _tuned_on(result: Mapping[str, Any]) -> str:
    where = result["config"].get("tune_on")
    return f" of {where} alone; the settings found are used on every data set" if where else ""


def _settings_of_earlier(result: Mapping[str, Any]) -> Iterator[str]:
    """A line for each row whose settings come from the trials of an earlier result."""
    for name, found in result["datasets"].items():
        for row in found["rows"]:
            differs = row["tuning"].get("differs")
            if differs is None or row["ablation_of"] is not None:
                continue
            had = [f"{key} {then} in its trials, {now} in the fit" for key, (then, now) in differs.items()]
            yield f"{name}: settings of an earlier study: {row['name']}" + f" ({'; '.join(had)})" * bool(had)


def _ablations(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Ablations, and the families they are of, in the order of `rows`."""
    parents = {row["ablation_of"] for row in rows} - {None}
    return [row for row in rows if row["ablation_of"] is not None or row["name"] in parents]


def _measured(
    row: Mapping[str, Any], numbers: Mapping[str, Any], fitted: Mapping[str, Any] | None = None
) -> dict[str, str]:
    fitted = fitted or row
    epochs = [each["epochs"] for each in fitted["seeds"]]
    return {
        "model": row["name"] + (KEPT if "kept" in fitted else ""),
        **{SHORT[metric]: _with_spread(numbers[metric], len(epochs)) for metric in METRICS},
        "fit s": "{:,.1f}{}".format(*_seconds(fitted)),
        "epochs": "/".join(map(str, epochs)) if any(epochs) else "",
        "tuning s": _tuning(row["tuning"]),
        "parameters": f"{row['parameters']:,}",
    }


def _seconds(fitted: Mapping[str, Any]) -> tuple[float, str]:
    """Mean seconds of the fits, of the processor where they are known, and the mark of the clock's."""
    if "fit_cpu_seconds" in fitted:
        return float(fitted["fit_cpu_seconds"]["mean"]), ""
    return float(fitted["fit_seconds"]["mean"]), WALL


def _tuning(tuned: Mapping[str, Any]) -> str:
    known = "cpu_seconds" in tuned
    mark = "" if known or not tuned["trials"] else WALL
    return f"{tuned['cpu_seconds' if known else 'seconds']:,.0f}{mark}"


def _published(row: Mapping[str, Any]) -> dict[str, str]:
    numbers = {SHORT[m]: f"{row['values'][m]:.4f}" if m in row["values"] else "" for m in METRICS}
    rest = dict.fromkeys(("fit s", "epochs", "tuning s", "parameters"), "")
    return {"model": f"{row['name']} (*published*: {row['source']})", **numbers, **rest}


def _with_spread(value: Mapping[str, float], n_seeds: int) -> str:
    return f"{value['mean']:.4f}" + (f" ±{value['sd']:.4f}" if n_seeds > 1 else "")


def _compared(name: str, found: Mapping[str, Any] | None) -> Iterator[tuple[str, str, Cells]]:
    if found is None:
        return
    cells = [
        {
            "seen items": way,
            "metric": metric,
            "difference": f"{each['difference']:+.4f}",
            "95 % interval": f"[{each['low']:+.4f}, {each['high']:+.4f}]",
            "relative": f"{each['relative']:+.1%}",
            "better in": f"{each['p_better']:.1%}",
        }
        for way in ("masked", "unmasked")
        for metric, each in found[way].items()
    ]
    note = "Paired bootstrap over the same test users, each user's mean over the seeds; fitted on train."
    note += " Kept from an earlier table of the same rows." if "kept" in found else ""
    yield f"{name} · {found['recipe']} against {found['baseline']}", note, cells


def _cold(name: str, found: Mapping[str, Any] | None) -> Iterator[tuple[str, str, Cells]]:
    if found is None:
        return
    cells = [
        {
            "model": model + (KEPT if model in found.get("kept", ()) else ""),
            "R@10, full catalogue": _number(values, "full", "recall@10"),
            "N@10, full catalogue": _number(values, "full", "ndcg@10"),
            "R@10, within cold": _number(values, "within", "recall@10"),
            "N@10, within cold": _number(values, "within", "ndcg@10"),
        }
        for model, values in found["rows"].items()
    ]
    note = (
        f"{found['share']:.0%} of the items ({found['items']:,}) held out of every history; "
        f"{found['users']:,} test users wanted one of them. Seen items masked, one seed."
    )
    yield f"{name} · cold items", note, cells


def _kept(name: str, found: Mapping[str, Any]) -> Iterator[tuple[str, str, Cells]]:
    cells = [{"from": where, "rows": ", ".join(rows)} for where, rows in kept(found).items()]
    if cells:
        note = f"Rows marked{KEPT} were not measured by the last command. Beside rows that were, they stand "
        note += "only if data, protocol and settings are the same."
        yield f"{name} · kept rows", note, cells


def _number(values: Mapping[str, Mapping[str, float]], where: str, metric: str) -> str:
    value = values.get(where, {}).get(metric)
    return "" if value is None else f"{value:.4f}"


def _spread(row: Mapping[str, Any]) -> Spread:
    value = row["test"]["masked"][JUDGED]
    return Spread(row["name"], value["mean"], value["sd"])
