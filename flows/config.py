"""Config: one TOML file is one complete run; this file composes the settings of every layer.

What a section means stands beside the thing it configures: sources in `data`, encoder and tokenizer in
`models`, gates in `validation`, tuning here in `flows`.
"""

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from data.sources.config import SourceConfig
from data.windows import FilterConfig
from flows.compute.config import ComputeConfig
from flows.devices import PlacedConfig
from flows.retraining.warm_config import WarmConfig
from flows.schedule.config import ScheduleConfig
from flows.tuning_config import TuningConfig
from models.families import FAMILIES
from models.item_encoders.encoders import EncoderConfig
from models.item_encoders.tfidf import TfidfConfig
from models.recommender import Config
from models.tokenizers.kinds import TokenizerConfig
from models.tokenizers.residual_kmeans import ResidualKMeansConfig
from validation.drift.churn import ChurnConfig
from validation.drift.config import DriftConfig
from validation.evaluation.target_slices import SliceConfig
from validation.gates.limits import LimitsConfig
from validation.gates.rules import GateConfig
from validation.snapshot.expectations import ValidationConfig


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names file and key, one line for each mistake."""


class WindowsConfig(Config):
    """Where training ends: two dates, for a comparison that stays, or two numbers of days, for a schedule.

    Tuning learns from events before `valid_cutoff` and asks about [valid_cutoff, test_cutoff); the final
    models learn from events before `test_cutoff` and are asked about what follows. A date is its midnight
    UTC, unless a time is given. With days the cut-offs move with the data: the test is the last `test_days`
    days up to the end of the day of the newest event, tuning asks about the `valid_days` before.
    """

    valid_cutoff: datetime | None = Field(default=None, description="End of what tuning learns from.")
    test_cutoff: datetime | None = Field(default=None, description="End of what the final models learn from.")
    test_until: datetime | None = Field(
        default=None, description="End of the test; without it the end of data."
    )
    valid_days: int | None = Field(default=None, ge=1, description="Days that tuning asks about.")
    test_days: int | None = Field(default=None, ge=1, description="Days of the test.")

    @field_validator("valid_cutoff", "test_cutoff", "test_until", mode="before")
    @classmethod
    def _midnight(cls, value: Any) -> Any:
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        dates, days = (self.valid_cutoff, self.test_cutoff), (self.valid_days, self.test_days)
        by_date = None not in dates and days == (None, None)
        by_days = None not in days and dates == (None, None) and self.test_until is None
        if not (by_date or by_days):
            raise ValueError("give valid_cutoff and test_cutoff, or valid_days and test_days, nothing else")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_cutoff is None or self.test_cutoff is None:
            return self
        until = self.test_until or datetime.max.replace(tzinfo=UTC)
        if not self.valid_cutoff < self.test_cutoff < until:
            raise ValueError("valid_cutoff, test_cutoff and test_until must follow each other: move them")
        return self

    def at(self, newest: int) -> "WindowsConfig":
        """The same windows by date, for data whose newest event was at `newest` (Unix seconds UTC)."""
        if self.valid_days is None or self.test_days is None:
            return self
        end = datetime.fromtimestamp(newest, UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
        test = end - timedelta(days=self.test_days)
        return WindowsConfig(valid_cutoff=test - timedelta(days=self.valid_days), test_cutoff=test)

    def bounds(self, name: str) -> tuple[int, int | None]:
        """Cut-off and end of window "valid" or "test", in Unix seconds UTC.

        Raises:
            ValueError: the windows are given in days and were not placed in time (`at`).
        """
        if self.valid_cutoff is None or self.test_cutoff is None:
            raise ValueError("windows in days have no bounds before the data is read: call at(newest) first.")
        test = int(self.test_cutoff.timestamp())
        if name == "valid":
            return int(self.valid_cutoff.timestamp()), test
        return test, None if self.test_until is None else int(self.test_until.timestamp())


class ProveConfig(Config):
    """What a Bento must show before it answers anyone."""

    requests: int = Field(default=64, ge=50, description="Frozen requests, replayed in each of three ways.")
    k: int = Field(default=10, ge=1, le=100, description="Length of their lists.")
    max_p99_ms: float = Field(default=250.0, gt=0, description="Budget of one request alone, p99.")


class RunConfig(PlacedConfig):
    """A complete run."""

    name: str = Field(min_length=1, description="What the run is called in MLflow and Prefect.")
    seed: int = Field(default=0, ge=0, description="Of everything random.")
    threads: int = Field(default=2, ge=1, description="Cores of one training; the bits depend on it.")
    workers: int = Field(
        default=1,
        ge=1,
        description="Processes that share a family's trials, each with `threads`; 1 repeats itself.",
    )
    families: dict[str, dict[str, Any]] = Field(
        min_length=1, description="What competes, and what differs from its defaults; tuning starts there."
    )
    source: SourceConfig
    windows: WindowsConfig
    filters: FilterConfig = FilterConfig()
    validation: ValidationConfig = ValidationConfig()
    drift: DriftConfig = DriftConfig()
    churn: ChurnConfig = ChurnConfig()
    warm: WarmConfig = WarmConfig()
    compute: ComputeConfig = ComputeConfig()
    encoder: EncoderConfig = TfidfConfig()
    tokenizer: TokenizerConfig = ResidualKMeansConfig()
    tuning: TuningConfig = TuningConfig()
    gate: GateConfig = GateConfig()
    slices: SliceConfig = SliceConfig()
    limits: LimitsConfig = LimitsConfig()
    prove: ProveConfig = ProveConfig()
    schedule: ScheduleConfig = ScheduleConfig()

    def of_result(self) -> Self:
        """The same run without what no number depends on."""
        anywhere = self.compute.model_copy(update={"ray": ""})
        return self.model_copy(update={"schedule": ScheduleConfig(), "compute": anywhere})

    def at(self, newest: int) -> "RunConfig":
        """The same run with its windows placed in time, see `WindowsConfig.at`."""
        return self.model_copy(update={"windows": self.windows.at(newest)})

    @model_validator(mode="after")
    def _warm_keeps_codes(self) -> Self:
        if self.warm.start != "cold" and not self.churn.keep_codes:
            raise ValueError(
                "a warm start needs the codes that serve, but got [warm] start = "
                f"{self.warm.start!r} without [churn] keep_codes = true: set both"
            )
        return self

    @field_validator("families")
    @classmethod
    def _fit_together(cls, families: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, settings in families.items():
            if name not in FAMILIES:
                raise ValueError(f"a family must be one of {', '.join(FAMILIES)}, but got {name!r}")
            FAMILIES[name].config(**settings)
        return families


def load(path: Path) -> RunConfig:
    """Read a TOML file.

    Raises:
        ConfigError: no such file, not TOML, an unknown key, or a value out of bounds.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: a run needs a TOML file, but there is none: try configs/default.toml")
    try:
        return RunConfig(**tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: the file must be TOML, but got: {error}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in mistakes(error))) from error


def mistakes(error: ValidationError) -> list[str]:
    """One line for each mistake: key, rule, and the value where it is short."""
    lines = []
    for found in error.errors(include_url=False):
        key = ".".join(str(part) for part in found["loc"]) or "the file"
        given = found.get("input")
        came = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
        lines.append(f"{key}: {found['msg']}{came}")
    return lines
