"""Keep: rows of the result file that lies there already, where this machine has no pieces for them.

A row is kept if it was measured on the same data under the same protocol with the same settings; it carries
where it comes from. What is not kept is told. A row measured now takes the place of the earlier one, unless
that has more seeds. Works on results as JSON has them and changes neither of the two.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from flows.benchmark.config import ABLATION
from flows.benchmark.table import same
from flows.benchmark.table.compare import opponents, significance

Json = dict[str, Any]


def keep(result: Json, earlier: Json | None, datasets: Sequence[str]) -> Json:
    """The result with what is kept of an earlier one, and under "not_kept" a line for all that is not.

    Args:
        result: of this machine's pieces.
        earlier: what the result file held; None where there is none.
        datasets: names of all data sets of the benchmark, in the order of the tables.
    """
    told: list[str] = []
    found: dict[str, Json] = {}
    then = {} if earlier is None else earlier["datasets"]
    for name in [*datasets, *(each for each in then if each not in datasets)]:
        now, before = result["datasets"].get(name), then.get(name)
        if earlier is not None and before is not None:
            now = _Merge(name, result, earlier, told).dataset(now, before, name in datasets)
        if now is not None:
            found[name] = now
    return result | {"datasets": found, "not_kept": told}


class _Merge:
    """One data set of two results."""

    def __init__(self, name: str, result: Json, earlier: Json, told: list[str]) -> None:
        self.name, self.told = name, told
        self.now, self.then = result["config"], earlier["config"]
        self.measured = [found["protocol"] for found in result["datasets"].values()]
        whole = {key: earlier.get(key) for key in ("commit", "code", "machine")}
        self.made = [whole | {"date": None, "of": "table"}]

    def dataset(self, now: Json | None, then: Json, known: bool) -> Json | None:
        """Rows of both, as far as they may stand in one table."""
        differs = list(self._differs(now, then)) if known else ["the config no longer has these data"]
        if differs:
            self._tell(f"none of {', '.join(row['name'] for row in then['rows'])}", differs)
            return now
        rows = self._rows([] if now is None else now["rows"], then["rows"])
        if not rows:
            return now
        merged = (now or then) | {"rows": rows, "cold": self._cold(now and now["cold"], then["cold"])}
        protocol = then["protocol"] | merged["protocol"]
        return merged | {"protocol": protocol, "significance": self._significance(rows, then["significance"])}

    def _differs(self, now: Json | None, then: Json) -> Iterator[str]:
        yield from same.of_settings(self.now, self.then)
        yield from same.of_protocols(self.measured, then["protocol"])
        if now is not None:  # else nothing is put beside the rows: they stay a table of their own data
            yield from same.of_profiles(now["profile"], then["profile"])

    def _rows(self, now: Sequence[Json], then: Sequence[Json]) -> list[Json]:
        found = {row["name"]: row for row in now}
        for row in then:
            name = row["name"]
            differs = list(same.of_row(name, self.now, self.then))
            if differs and not _replaces(found.get(name), row):
                self._tell(name, differs)
            elif not differs:
                found[name] = self._fuller(found.get(name), self._kept(row))
        return sorted(found.values(), key=self._place)

    def _kept(self, row: Json) -> Json:
        """An earlier row, marked, and its refit as well: each has an origin of its own."""
        kept = {"made": self.made} | row | {"kept": True}
        if "refitted" in row:
            kept["refitted"] = {"made": self.made} | row["refitted"] | {"kept": True}
        return kept

    def _fuller(self, now: Json | None, then: Json) -> Json:
        """The row with more seeds, that of now if it has as many; the same for the refits."""
        if now is None:
            return then
        row = max(now, then, key=_seeds)
        if row is then:
            why = f"seeds: {_seeds(now)} measured now, the earlier row has {_seeds(then)} and stands"
            self._tell(f"{now['name']} of this run", [why])
        refits = [each["refitted"] for each in (now, then) if "refitted" in each]
        return row | {"refitted": max(refits, key=_seeds)} if refits else row

    def _place(self, row: Json) -> tuple[int, int]:
        """Order of the config."""
        parent, _, change = row["name"].partition(ABLATION)
        changes = ["", *self.now["ablations"].get(parent, {})]
        return list(self.now["families"]).index(parent), changes.index(change)

    def _cold(self, now: Json | None, then: Json | None) -> Json | None:
        """Both tables of held-out items, if the same items were held out."""
        if then is None:
            return now
        differs = list(same.of_cold(self.now, self.then, now or then, then))
        if differs:
            self._tell("the table of cold items", differs)
            return now
        mine = {"rows": {}, "made": {}} if now is None else now
        kept = {name: each for name, each in then["rows"].items() if name not in mine["rows"]}
        kept = {name: each for name, each in kept.items() if self._still(name)}
        made = {name: then["made"][name] for name in kept}
        about = {key: value for key, value in (now or then).items() if key != "kept"}
        whole = about | {"rows": kept | mine["rows"], "made": made | mine["made"]}
        return whole | {"kept": list(kept)} if kept else whole

    def _still(self, name: str) -> bool:
        """Whether a model's settings are those of then; a baseline of the cold table has none."""
        if name not in self.then["families"]:
            return True
        differs = list(same.of_row(name, self.now, self.then))
        if differs:
            self._tell(f"{name} for cold items", differs)
        return not differs

    def _significance(self, rows: Sequence[Json], then: Json | None) -> Json | None:
        """Of the merged rows; where users' ranks were not kept, the earlier comparison of the same rows."""
        pair = opponents(rows, self.now["recipe"])
        if pair is None:
            return None
        found, names = significance(*pair), [row["name"] for row in pair]
        if found is not None:
            return found
        kept = all("kept" in row for row in pair)
        if kept and then is not None and names == [then["recipe"], then["baseline"]]:
            return {"made": self.made} | then | {"kept": True}
        self._tell(f"a comparison of {' and '.join(names)}", ["the ranks of the users of both are not there"])
        return None

    def _tell(self, what: str, why: Sequence[str]) -> None:
        self.told.append(f"{self.name}: not kept: {what} ({'; '.join(why)})")


def _replaces(now: Json | None, then: Json) -> bool:
    """Whether a row was measured again as often as before, its refit too."""
    if now is None or _seeds(now) < _seeds(then):
        return False
    return "refitted" not in then or (
        "refitted" in now and _seeds(now["refitted"]) >= _seeds(then["refitted"])
    )


def _seeds(part: Json) -> int:
    return len(part["seeds"])
