"""Benchmark config: one TOML file is one complete comparison. The data's folder is told apart.

A data set that the code has never seen needs a `[datasets.NAME]` table with paths and columns, nothing else.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from data.sources.config import FilesConfig
from data.windows import FilterConfig
from flows.config import ConfigError, mistakes
from flows.devices import PlacedConfig
from flows.tuning_config import TuningConfig
from models.families import FAMILIES
from models.item_encoders.encoders import EncoderConfig
from models.item_encoders.tfidf import TfidfConfig
from models.recommender import Config
from models.tokenizers.kinds import TokenizerConfig
from models.tokenizers.residual_kmeans import ResidualKMeansConfig

CONFIGS = Path("configs/benchmarks")
ABLATION = "/"
"""Stands between a contender's name and that of its ablation."""
NOT_SETTINGS = ("family", "items", "first")
"""Keys of a family that say which family, which vectors and codes, and where its tuning begins."""


class Published(Config):
    """A row that others measured: metric to number, masked or not as they did it."""

    dataset: str
    name: str
    source: str = Field(description="Where the numbers stand.")
    values: dict[str, float] = Field(description="Such as recall@10.")


class ItemsConfig(Config):
    """Item vectors and semantic IDs for the families that want others than the rest."""

    encoder: EncoderConfig | None = Field(default=None, description="None: the benchmark's.")
    tokenizer: TokenizerConfig | None = Field(default=None, description="None: the benchmark's.")


class ColdConfig(Config):
    """Who is asked for items that nobody learned from."""

    families: tuple[str, ...] = Field(default=(), description="Empty: all that run.")
    decay: float = Field(
        default=0.7, gt=0, le=1, description="Text baseline: weight of one event further back."
    )


class BenchmarkConfig(PlacedConfig):
    """A complete comparison."""

    name: str = Field(min_length=1, description="As typed behind `encore benchmark`.")
    title: str = Field(default="", description="Heading of the table.")
    seed: int = Field(default=0, ge=0, description="Of tuning, item encoder, tokenizer and samples.")
    threads: int = Field(default=2, ge=1, description="Cores of one training; the bits depend on it.")
    metric: str = Field(default="ndcg@10", description="What tuning maximises, seen items masked.")
    recipe: str = Field(default="", description="The family that is compared with the best of the others.")
    validation_users: int | None = Field(
        default=None,
        ge=1,
        description="Users that tuning and early stopping ask about, drawn once; None: all.",
    )
    tune_on: str = Field(
        default="",
        description="The data set whose settings every family takes to the others; empty: each has its own.",
    )
    refit: bool = Field(default=True, description="Also fit on train + validation, for a table of its own.")
    datasets: dict[str, FilesConfig] = Field(
        min_length=1, description="Paths are below --data, else below the working folder."
    )
    families: dict[str, dict[str, Any]] = Field(
        min_length=1,
        description="What competes and what differs from its defaults; a fixed setting is not tuned. The key "
        "`family` names the family where the row is called otherwise, the key `items` one of [items], and "
        "`first` holds settings of the first trial, which later trials change.",
    )
    ablations: dict[str, dict[str, dict[str, Any]]] = Field(
        default={}, description="By family and name: what differs from the family's best settings."
    )
    filters: FilterConfig = FilterConfig(min_item_events=0)
    encoder: EncoderConfig = TfidfConfig()
    tokenizer: TokenizerConfig = ResidualKMeansConfig()
    items: dict[str, ItemsConfig] = Field(default={}, description="Other vectors and codes, by name.")
    tuning: TuningConfig = TuningConfig()
    cold: ColdConfig = ColdConfig()
    published: tuple[Published, ...] = ()

    @field_validator("metric")
    @classmethod
    def _measured(cls, metric: str) -> str:
        name, _, k = metric.partition("@")
        if name not in ("recall", "ndcg", "hit", "mrr") or k not in ("5", "10", "20"):
            raise ValueError("a metric must be recall, ndcg, hit or mrr at 5, 10 or 20, such as ndcg@10")
        return metric

    def with_items(self, name: str) -> Self:
        """This benchmark with the vectors and codes of `[items.NAME]`; as it is for the empty name."""
        other = self.items.get(name, ItemsConfig())
        return self.model_copy(
            update={
                "encoder": other.encoder or self.encoder,
                "tokenizer": other.tokenizer or self.tokenizer,
            }
        )

    @model_validator(mode="after")
    def _tuned_on_one_of_them(self) -> Self:
        if self.tune_on and self.tune_on not in self.datasets:
            raise ValueError(f"tune_on must name one of {list(self.datasets)}, but got {self.tune_on!r}")
        return self

    @field_validator("ablations")
    @classmethod
    def _of_families(cls, ablations: dict[str, Any], info: Any) -> dict[str, Any]:
        strangers = sorted(set(ablations) - set(info.data.get("families", ablations)))
        if strangers:
            raise ValueError(f"an ablation must be of one of the families, but got {strangers[0]!r}")
        return ablations


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table before it has numbers.

    Attributes:
        name: "sasrec", or for an ablation "encore/no-clock".
        family: key of FAMILIES.
        fixed: settings that are not tuned.
        changed: what an ablation changes in the best settings; empty for a family itself.
        items: name of its item vectors and codes; empty for the benchmark's.
        first: settings of the first trial that differ from the family's defaults; later trials change them.
    """

    name: str
    family: str
    fixed: dict[str, Any]
    changed: dict[str, Any]
    items: str = ""
    first: dict[str, Any] = field(default_factory=dict)

    @property
    def parent(self) -> str:
        """Name of the contender whose tuning is used."""
        return self.name.partition(ABLATION)[0]

    @property
    def is_ablation(self) -> bool:
        """Whether it is a changed form of another row."""
        return ABLATION in self.name

    def settings(self, best: dict[str, Any]) -> dict[str, Any]:
        """All settings that differ from the family's defaults, given the best trial's."""
        return self.fixed | best | self.changed


def find(name: str) -> Path:
    """Config file of a benchmark, by its name or its path.

    Raises:
        ConfigError: there is none.
    """
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name.replace('-', '_')}.toml"
    if not path.is_file():
        there = ", ".join(sorted(each.stem.replace("_", "-") for each in CONFIGS.glob("*.toml"))) or "none"
        raise ConfigError(f"{path}: a benchmark needs a TOML file, but there is none: try one of {there}")
    return path


def load(path: Path) -> BenchmarkConfig:
    """Read a TOML file.

    Raises:
        ConfigError: not TOML, an unknown key, or a value out of bounds.
    """
    try:
        return BenchmarkConfig(**_with_kind(tomllib.loads(path.read_text(encoding="utf-8"))))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: the file must be TOML, but got: {error}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in mistakes(error))) from error


def chosen(names: Sequence[str], known: Iterable[str], what: str) -> list[str]:
    """The names asked for, all known ones where none is.

    Raises:
        ConfigError: one is not known.
    """
    there = list(known)
    for name in names:
        if name not in there:
            raise ConfigError(f"{what} must be one of {', '.join(there)}, but got {name!r}: choose of them")
    return list(names) or there


def contenders(config: BenchmarkConfig, asked: Sequence[str] = ()) -> list[Contender]:
    """Rows of the table: each family, then its ablations.

    Args:
        config: the benchmark.
        asked: names to take; empty for all that this version of the code has.

    Raises:
        ConfigError: a family that was asked for is not in the config or not in the code, or has a setting
            that does not exist.
    """
    names = chosen(asked, config.families, "--families")
    return [each for name in names for each in _of(name, config, bool(asked))]


def absent(config: BenchmarkConfig) -> list[str]:
    """Families of the config that this version of the code does not have."""
    return [name for name, settings in config.families.items() if _family(name, settings) not in FAMILIES]


def _of(name: str, config: BenchmarkConfig, asked: bool) -> list[Contender]:
    given = config.families[name]
    family = _family(name, given)
    if family not in FAMILIES:
        if asked:
            raise ConfigError(
                f"family {family!r} must be in this version of the code, but it has {', '.join(FAMILIES)}: "
                "update, or leave it out of --families"
            )
        return []
    fixed = {key: value for key, value in given.items() if key not in NOT_SETTINGS}
    items = str(given.get("items", ""))
    if items and items not in config.items:
        raise ConfigError(f"{name}: items must name one of [items], {list(config.items)}, but got {items!r}")
    first = dict(given.get("first", {}))
    tuned = [setting for setting in FAMILIES[family].space if setting not in fixed]
    chosen(list(first), tuned, f"{name}: a setting in `first`")
    rows = [Contender(name, family, fixed, {}, items, first)]
    for label, changed in config.ablations.get(name, {}).items():
        rows.append(Contender(f"{name}{ABLATION}{label}", family, fixed, changed, items, first))
    for row in rows:
        _refuse_unknown_settings(row)
    return rows


def _family(name: str, settings: dict[str, Any]) -> str:
    return str(settings.get("family", name))


def _refuse_unknown_settings(row: Contender) -> None:
    try:
        FAMILIES[row.family].config(**row.settings(row.first))
    except ValidationError as error:
        raise ConfigError("\n".join(f"{row.name}: {line}" for line in mistakes(error))) from error


def _with_kind(raw: dict[str, Any]) -> dict[str, Any]:
    """A data set's kind is `files`; there is nothing to choose, so it need not be written."""
    datasets = raw.get("datasets", {})
    return raw | {"datasets": {name: {"kind": "files", **given} for name, given in datasets.items()}}
