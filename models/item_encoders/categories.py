"""Categories: categorical fields, lists and category paths of an item to a vector.

Each distinct value of a field is a feature; an item has several where the field holds a list. A path, a list
inside a list, has one feature for each of its beginnings, so items that part late lie near. The features of a
field share one unit of length, so a long list says no more than a single brand.
Dims: I items, F features, D vector size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.preprocessing import normalize

from data.catalogue import Catalogue
from models.item_encoders.fitted import ItemEncoder, unit_rows
from models.recommender import Arrays, Config, Floats

KEY = "item_key"
STEP = " > "


class CategoriesConfig(Config):
    """Which fields, and how they become few numbers."""

    kind: Literal["categories"] = "categories"
    fields: tuple[str, ...] = Field(
        default=(),
        description="Columns of the items. Without any: those that hold lists, and those of text whose "
        "values repeat (at most half as many values as items).",
    )
    separator: str | None = Field(
        default=None, min_length=1, description="Cuts text values into lists, as '|' does in a CSV file."
    )
    reduce: Literal["svd", "hash"] = Field(
        default="svd",
        description="svd: components of features weighted by rarity, fitted on the catalogue. hash: features "
        "are added up under a hash, so a vector depends on its item alone.",
    )
    size: int = Field(default=64, ge=2, description="D; less with svd if there are fewer features.")


@dataclass(frozen=True, slots=True)
class Categories(ItemEncoder):
    """The fitted encoder.

    Attributes:
        config: settings.
        fields: the columns that are read.
        features: of each field as they are numbered, F in all; nothing with `hash`.
        rarity: float64 [F], weight of each feature, field after field.
        components: float32 [D, F].
    """

    kind: ClassVar[str] = "categories"
    config: CategoriesConfig
    fields: tuple[str, ...]
    features: tuple[list[str], ...] = ()
    rarity: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    components: Floats = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def encode(self, items: Catalogue) -> Floats:
        """See `ItemEncoder.encode`."""
        rows = [_features(items.frame, name, self.config.separator) for name in self.fields]
        if self.config.reduce == "hash":
            return _hashed(rows, self.config.size)
        ends = np.cumsum([len(names) for names in self.features])
        weights = np.split(self.rarity, ends[:-1])
        parts = zip(rows, self.features, weights, strict=True)
        blocks = [_unit(_numbered(row, names) @ sparse.diags(by)) for row, names, by in parts if names]
        return unit_rows(sparse.hstack(blocks).tocsr() @ self.components.T)

    def arrays(self) -> Arrays:
        """See `ItemEncoder.arrays`."""
        return {"rarity": self.rarity, "components": self.components}

    def head(self) -> dict[str, Any]:
        """See `ItemEncoder.head`."""
        config = self.config.model_dump(mode="json")
        return {"config": config, "fields": list(self.fields), "features": list(self.features)}

    @classmethod
    def from_state(cls, head: dict[str, Any], arrays: Arrays) -> Self:
        """See `ItemEncoder.from_state`."""
        config, fields = CategoriesConfig(**head["config"]), tuple(head["fields"])
        return cls(config, fields, tuple(head["features"]), arrays["rarity"], arrays["components"])


def fit_categories(items: pl.DataFrame, config: CategoriesConfig, *, seed: int) -> tuple[Categories, Floats]:
    """The encoder, and one unit vector per item: float32 [I, D]; an item without any value gets zeros.

    Args:
        items: one item a row, as in a catalogue.
        config: settings.
        seed: of the decomposition.

    Raises:
        ValueError: a field is missing or holds neither text, numbers without a point nor lists; or there is
            no field or no value at all.
    """
    fields = config.fields or categorical_fields(items)
    features = [_features(items, field, config.separator) for field in fields]
    if not any(any(rows) for rows in features):
        raise ValueError(
            f"The categories encoder needs values, but got none in {list(fields)} of the columns "
            f"{items.columns}: name categorical columns in encoder.fields."
        )
    if config.reduce == "hash":
        return Categories(config, fields), _hashed(features, config.size)
    counted = [_counted(rows) for rows in features]
    blocks = [_unit(matrix @ sparse.diags(rarity)) for matrix, _, rarity in counted if matrix.shape[1]]
    matrix = sparse.hstack(blocks).tocsr()
    size = max(1, min(config.size, min(matrix.shape) - 1))
    reduction = TruncatedSVD(size, random_state=seed)
    vectors = unit_rows(reduction.fit_transform(matrix))
    names = tuple(names for _, names, _ in counted)
    rarity = np.concatenate([rarity for _, _, rarity in counted])
    return Categories(config, fields, names, rarity, reduction.components_.astype(np.float32)), vectors


def categorical_fields(items: pl.DataFrame) -> tuple[str, ...]:
    """Columns that hold lists, and those of text whose values repeat."""
    columns = [column for column in items.iter_columns() if column.name != KEY]
    return tuple(c.name for c in columns if _is_list(c.dtype) or (_is_text(c.dtype) and _repeats(c)))


def _repeats(column: pl.Series) -> bool:
    filled = column.drop_nulls()
    return 0 < filled.n_unique() <= len(filled) // 2


def _is_list(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List | pl.Array)


def _is_text(kind: pl.DataType) -> bool:
    return kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)


def _features(items: pl.DataFrame, field: str, separator: str | None) -> list[dict[str, float]]:
    """The features of each item in one field, as name to 1."""
    if field not in items.columns:
        raise ValueError(
            f"encoder.fields must be columns of the items, but got {field!r}; there are {items.columns}: "
            "correct the name."
        )
    column = items[field]
    inner = column.dtype
    while isinstance(inner, pl.List | pl.Array):
        inner = inner.inner  # type: ignore[assignment]
    if not (_is_text(inner) or inner.is_integer() or inner in (pl.Boolean, pl.Null)):
        raise ValueError(
            f"encoder.fields must hold text, integers or lists of them, but {field!r} is {column.dtype}: "
            "leave it out, or convert it to text."
        )
    return [{f"{field}={word}": 1.0 for word in _words(value, separator)} for value in column.to_list()]


def _words(value: Any, separator: str | None) -> Iterator[str]:
    """Features of one cell: of a value itself, of a list each value, of a list in a list each beginning."""
    if isinstance(value, list):
        for part in value:
            yield from _path(part) if isinstance(part, list) else _words(part, separator)
    elif value is not None:
        parts = [value] if separator is None else str(value).split(separator)
        yield from filter(None, (_plain(part) for part in parts))


def _path(steps: list[Any]) -> Iterator[str]:
    taken: list[str] = []
    for step in steps:
        taken += list(_words(step, None))
        if taken:
            yield STEP.join(taken)


def _plain(value: Any) -> str:
    return str(value).strip().casefold()


def _hashed(features: list[list[dict[str, float]]], size: int) -> Floats:
    hashed = sum(_unit(FeatureHasher(size).transform(rows)) for rows in features)
    return unit_rows(hashed.toarray())


def _counted(rows: list[dict[str, float]]) -> tuple[sparse.csr_matrix, list[str], NDArray[np.float64]]:
    """Multi-hot [I, F], the names of the features, and 1 + ln(I / items that have it) of each."""
    if not any(rows):
        return sparse.csr_matrix((len(rows), 0)), [], np.empty(0)
    numbers = DictVectorizer()
    matrix = numbers.fit_transform(rows)
    rarity = 1 + np.log(matrix.shape[0] / np.bincount(matrix.indices, minlength=matrix.shape[1]))
    return matrix, numbers.feature_names_, rarity


def _numbered(rows: list[dict[str, float]], names: list[str]) -> sparse.csr_matrix:
    """Multi-hot [J, F] of features that have a number; others are passed over."""
    numbers = DictVectorizer()
    numbers.feature_names_, numbers.vocabulary_ = names, {name: at for at, name in enumerate(names)}
    return numbers.transform(rows)


def _unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    return normalize(sparse.csr_matrix(matrix), copy=False)
