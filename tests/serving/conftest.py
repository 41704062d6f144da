"""A small bundle with a hand-made catalogue: items "10" to "14", scored 5 to 1 for everyone."""

import hashlib
import json
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle, save
from models.tokenizers.code_table import CodeTable
from models.tokenizers.residual_kmeans import ResidualKMeans, ResidualKMeansConfig
from models.tokenizers.store import ItemCodes
from serving import bento
from serving.access.keys import ROLES
from serving.bento import BentoInfo
from serving.process import running
from serving.settings import LOG_VARIABLE, ORIGINS_VARIABLE, TOKEN_VARIABLE, TOKENS_FILE_VARIABLE


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    frame = pl.DataFrame(
        {
            "item_key": ["10", "11", "12", "13", "14"],
            "title": ["milk", "bread", "butter", "tea", "salt"],
            "department": ["dairy", "bakery", "dairy", "drinks", None],
            "in_stock": [True, True, False, None, True],
        }
    )
    return Bundle(
        recommender=Popularity(PopularityConfig(), np.array([5, 4, 3, 2, 1], dtype=np.float32)),
        catalogue=Catalogue(frame, ("title",)),
        user_keys=["ann", "bob", "cid"],
        histories=Interactions.from_histories([[0, 1], [2], []], times=[[7, 9], [8], []]),
        lineage={"run_id": "run-1", "snapshot": "snap-1", "generation": "gen-1"},
        items=some_codes(),
    )


def some_codes() -> ItemCodes:
    """Milk and butter point one way, bread another, salt between them; of tea nothing is known."""
    vectors = np.array([[1, 0], [0, 1], [2, 0], [0, 0], [1, 1]], dtype=np.float32)
    books = np.array([[[1, 0], [0, 1]]], dtype=np.float32)
    tokenizer = ResidualKMeans(ResidualKMeansConfig(n_levels=1, codebook_size=2), books)
    codes = np.array([[0, 0], [1, 0], [0, 1], [0, 2], [1, 1]])
    return ItemCodes(vectors, tokenizer, CodeTable(codes, (2, 3)))


@pytest.fixture(scope="session")
def bundle_folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "small"
    save(bundle, path)
    return path


# What a served model may not need, every upper layer and its vendors, is as good as not installed.
BLOCKER = """
import sys
from importlib.machinery import PathFinder
ABOVE = {"flows", "validation", "prefect", "mlflow", "optuna", "typer", "pandas", "great_expectations",
         "psycopg", "sqlalchemy", "transformers"}
class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ABOVE else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def built(bundle_folder: Path, home: Path) -> BentoInfo:
    return bento.build(bundle_folder, home=home, lineage={"run_id": "run-2"})


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with the installed packages, without this project and what serving does not need."""
    folder = tmp_path_factory.mktemp("stranger")
    venv.create(folder, with_pip=False)
    packages = Path(next(folder.glob("lib/python*/site-packages")))
    (packages / "installed.pth").write_text(sysconfig.get_paths()["purelib"])
    (packages / "sitecustomize.py").write_text(BLOCKER)
    return str(folder / "bin" / "python")


@pytest.fixture(scope="session")
def url(
    built: BentoInfo, home: Path, stranger: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    log = tmp_path_factory.mktemp("log") / "service.log"
    with running(built.tag, home=home, log=log, python=stranger) as address:
        yield address


@pytest.fixture(scope="session")
def challenger(bundle: Bundle) -> Bundle:
    """The same items the other way round, "14" first; knows zoe instead of cid."""
    return replace(
        bundle,
        recommender=Popularity(PopularityConfig(), np.array([1, 2, 3, 4, 5], dtype=np.float32)),
        user_keys=["ann", "bob", "zoe"],
        lineage={"run_id": "run-9", "snapshot": "snap-9", "generation": "gen-9"},
    )


@pytest.fixture(scope="session")
def challenger_folder(challenger: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("challengers") / "small"
    save(challenger, path)
    return path


@pytest.fixture(scope="session")
def guarded_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service `guarded` writes."""
    return tmp_path_factory.mktemp("guarded") / "log"


@pytest.fixture(scope="session")
def guarded(built: BentoInfo, home: Path, stranger: str, guarded_log: Path) -> Iterator[str]:
    """A service with keys and a log of requests, whose answers pages of shop.example may read.

    "read-secret" has the role read and so on, "all-secret" has all roles.
    """
    digests = {role: hashlib.sha256(f"{role}-secret".encode()).hexdigest() for role in sorted(ROLES)}
    keys = [{"name": f"{role}-key", "roles": [role], "sha256": digest} for role, digest in digests.items()]
    listed = guarded_log.with_name("keys.json")
    listed.write_text(json.dumps({"keys": keys}))
    events = str(guarded_log.with_name("events.db"))
    service = running(built.tag, home=home, log=guarded_log, python=stranger, events=events)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # other services are started while this one lives
            patch.setenv(TOKEN_VARIABLE, "all-secret")
            patch.setenv(TOKENS_FILE_VARIABLE, str(listed))
            patch.setenv(LOG_VARIABLE, "requests")
            patch.setenv(ORIGINS_VARIABLE, "https://shop.example")
            url = stack.enter_context(service)
        yield url
