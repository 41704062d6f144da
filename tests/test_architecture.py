"""The layer diagram, executable: imports point one way, each vendor has a home, all modules say what."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ["data", "models", "validation", "serving", "flows"]  # each may import those before it
OWNERS = {
    "polars": {"data", "models", "validation"},  # models: the catalogue in a bundle; validation: drift
    "duckdb": {"data"},
    "sqlalchemy": {"data", "flows"},  # flows: the ledger
    "psycopg": {"data"},
    "torch": {"models"},
    "faiss": {"models"},
    "sklearn": {"models"},
    "great_expectations": {"validation"},
    "bentoml": {"serving"},
    "prefect": {"flows"},
    "mlflow": {"flows"},
    "optuna": {"flows"},
    "ray": {"flows"},
    "typer": {"flows"},
}
MODULES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
IDS = [str(path.relative_to(ROOT)) for path in MODULES]


def imported_packages(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def violations(path, layer):
    imported = imported_packages(path)
    above = imported & set(LAYERS[LAYERS.index(layer) + 1 :])
    strangers = {vendor for vendor, homes in OWNERS.items() if vendor in imported and layer not in homes}
    return above | strangers


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_imports_point_one_way_and_vendors_stay_home(path):
    found = violations(path, path.relative_to(ROOT).parts[0])
    assert not found, f"{found} may not be imported here: see the table in docs/guide.md"


def test_a_stray_import_is_found(tmp_path):
    stray = tmp_path / "stray.py"
    stray.write_text("import mlflow\nfrom flows.config import load\nimport numpy\n")
    assert violations(stray, "models") == {"mlflow", "flows"}


@pytest.mark.parametrize("layer", LAYERS)
def test_our_packages_are_not_shadowed(layer):
    assert Path(importlib.import_module(layer).__file__).is_relative_to(ROOT)


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_every_module_says_what_it_is(path):
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert doc
    assert len(doc.splitlines()[0]) <= 110
