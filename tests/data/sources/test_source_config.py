import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from data.sources import LOADERS, load
from data.sources.config import FilesConfig, SourceConfig

ADAPTER = TypeAdapter(SourceConfig)

EXAMPLES = {
    "complete-journey": 'kind = "complete-journey"',
    "events": """
        kind = "events"
        kinds = ["purchase", "cart"]
        [base]
        kind = "synthetic"
    """,
    "files": """
        kind = "files"
        interactions = "events.csv"
        items = "items.parquet"
        text_fields = ["category", "name"]
        [columns]
        user_key = "customer"
        basket_key = "order"
    """,
    "recbole": 'kind = "recbole"\npath = "ml-100k"',
    "sql": """
        kind = "sql"
        url_env = "SHOP_URL"
        interactions = "select * from orders"
        items = "select * from products"
    """,
    "synthetic": 'kind = "synthetic"\nn_users = 10',
}


@pytest.mark.parametrize("kind", LOADERS)
def test_each_kind_has_a_config_that_toml_can_hold(kind):
    assert ADAPTER.validate_python(tomllib.loads(EXAMPLES[kind])).kind == kind


def test_a_mapping_keeps_the_defaults_of_what_it_does_not_name():
    config = ADAPTER.validate_python(tomllib.loads(EXAMPLES["files"]))
    assert isinstance(config, FilesConfig)
    assert config.interactions == Path("events.csv")
    assert config.columns.of_events() == {
        "user_key": "customer",
        "item_key": "item_key",
        "timestamp": "timestamp",
        "basket_key": "order",
    }


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('kind = "parquet"', "does not match any of the expected tags"),
        ('kind = "synthetic"\nn_user = 10', "Extra inputs are not permitted"),
        ('kind = "recbole"\npath = "x"\n[columns]\nuser = "u"', "Extra inputs are not permitted"),
        ('kind = "events"\nkinds = []\n[base]\nkind = "synthetic"', "at least 1 item"),
        ('kind = "events"\n[base]\nkind = "events"\n[base.base]\nkind = "synthetic"', "expected tags"),
        ('kind = "events"', "Field required"),
        ('kind = "sql"\ninteractions = "a"\nitems = "b"', "needs either url or url_env"),
    ],
)
def test_a_typo_is_an_error(toml, message):
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python(tomllib.loads(toml))


def test_the_synthetic_source_gives_the_planted_cycle():
    tables = load(ADAPTER.validate_python({"kind": "synthetic", "n_users": 10, "length": 4, "n_items": 3}))
    assert (tables.interactions.height, tables.items.height) == (40, 3)
