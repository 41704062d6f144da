"""Files: a benchmark's result on disk: JSON, the users' ranks beside it, Markdown and pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.benchmark.table.ranks import Ranks, belong_to
from flows.benchmark.table.render import document, figures
from flows.config import ConfigError
from flows.files import read_json, write_json

LARGEST = 100_000
"""Characters of one row's ranks; larger ones are left out, and with them later comparisons."""


def read(folder: Path, benchmark: str) -> dict[str, Any] | None:
    """The result that lies in a folder, ranks in their rows; None where there is none.

    Ranks that do not give a row's own numbers are not of that row and left out.

    Raises:
        ConfigError: the file is not a result.
    """
    path = folder / f"{_stem(benchmark)}.json"
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = read_json(path)
        ranks = read_json(_of_ranks(path)) if _of_ranks(path).is_file() else {}
        for name, found in result["datasets"].items():
            for row in found["rows"]:
                row |= _with(row, ranks.get(name, {}).get(row["name"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path}: the file must be a result of encore benchmark, but reading it failed ({error!r}): "
            "move it away, or choose another --out"
        ) from error
    return result


def write(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Everything into `folder`; returns what was written, the JSON first."""
    stem = _stem(result["benchmark"])
    path = folder / f"{stem}.json"
    plain, ranks = _apart(result)
    write_json(_of_ranks(path), ranks)
    write_json(path, plain)
    files, names = [path, path.with_suffix(".md"), _of_ranks(path)], []
    for name, figure in figures(result).items():
        picture = folder / f"{stem}_{name}.png"
        figure.savefig(picture, dpi=150)
        figure.savefig(
            picture.with_suffix(".svg"), metadata={"Date": None}
        )  # the same numbers, the same bytes
        files += [picture, picture.with_suffix(".svg")]
        names.append(f"{stem}_{name}.svg")
    files[1].write_text(document(result, names), encoding="utf-8")
    return files


def _apart(result: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Ranks]]]:
    """The result without ranks, and the ranks by data set and row."""
    plain, ranks = dict(result), {}
    plain["datasets"] = {}
    for name, found in result["datasets"].items():
        rows = found["rows"]
        bare = [{key: value for key, value in row.items() if key != "ranks"} for row in rows]
        plain["datasets"][name] = found | {"rows": bare}
        ranks[name] = {
            row["name"]: row["ranks"] for row in rows if 0 < _size(row.get("ranks", {})) <= LARGEST
        }
    return plain, ranks


def _with(row: Mapping[str, Any], ranks: Ranks | None) -> dict[str, Any]:
    return {"ranks": ranks} if ranks is not None and belong_to(row, ranks) else {}


def _size(ranks: Ranks) -> int:
    return sum(len(text) for packed in ranks.values() for text in packed)


def _stem(benchmark: str) -> str:
    return benchmark.replace("-", "_")


def _of_ranks(path: Path) -> Path:
    return path.with_name(f"{path.stem}_ranks.json")
