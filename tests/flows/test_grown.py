"""The smoke run with nothing in files of its own: PostgreSQL for every database, S3 for MLflow's files."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest
import sqlalchemy as sql
from mlflow.artifacts import download_artifacts
from moto.server import ThreadedMotoServer

from flows.commands.up import mlflow_server, prefect_server
from flows.environment import Home
from flows.record.ledger import Ledger
from flows.record.promotion import pointed
from flows.tracking.tracker import Tracker
from models import bundle
from serving.process import free_port
from tests.flows.conftest import SMOKE

BUCKET = "encore"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an S3 server with one empty bucket, for this process and its children."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "shop",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
    yield url
    server.stop()


@pytest.fixture
def databases(postgres: str) -> dict[str, str]:
    """URLs of three empty databases on one real server."""
    engine = sql.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("mlflow", "prefect", "encore"):
            connection.execute(sql.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    at = {name: f"{postgres.rpartition('/')[0]}/{name}" for name in ("mlflow", "prefect", "encore")}
    return at | {"prefect": at["prefect"].replace("+psycopg", "+asyncpg")}


def count(url: str, table: str) -> int:
    engine = sql.create_engine(url.replace("+asyncpg", "+psycopg"))
    with engine.connect() as connection:
        return int(connection.execute(sql.text(f"SELECT count(*) FROM {table}")).scalar_one())


def shows_password(process: psutil.Process, databases: dict[str, str]) -> bool:
    words = " ".join(process.info["cmdline"] or [])
    return any(url in words for url in databases.values())


def test_a_tracking_server_that_is_there_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.shop.example")
    with mlflow_server(Home(tmp_path), free_port()) as url:
        assert url == "http://mlflow.shop.example"


@pytest.mark.slow
@pytest.mark.timeout(560)
def test_a_retraining_on_postgresql_and_s3_with_two_tuning_workers(
    s3, databases, encore, tmp_path, monkeypatch
):
    config = tmp_path / "grown.toml"
    config.write_text(SMOKE.read_text().replace("threads = ", "workers = 2\nthreads = "))
    assert "workers = 2" in config.read_text()
    home = Home(tmp_path / "home")
    for name, value in {
        "MLFLOW_TRACKING_URI": databases["mlflow"],
        "PREFECT_API_DATABASE_CONNECTION_URL": databases["prefect"],
        "ENCORE_FILES_URL": f"s3://{BUCKET}/runs",
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }.items():
        monkeypatch.setenv(name, value)
    own = {"ENCORE_STUDIES_URL": databases["encore"], "ENCORE_LEDGER_URL": databases["encore"]}
    with mlflow_server(home, free_port()) as mlflow, prefect_server(home, free_port()) as prefect:
        assert not [each for each in psutil.process_iter(["cmdline"]) if shows_password(each, databases)]
        own |= {"MLFLOW_TRACKING_URI": mlflow, "PREFECT_API_URL": f"{prefect}/api"}
        run = encore(home.root, "retrain", str(config), **own)
        said, _ = run.communicate(timeout=400)
        assert run.returncode == 0, said
        doctor = encore(home.root, "doctor", **own)
        assert doctor.wait(120) == 0, doctor.communicate()

        release = pointed(home.pointer)
        tracker = Tracker(mlflow, "unused")
        source = tracker.client.get_model_version("encore", tracker.pointed("champion")).source
        assert source.startswith(f"s3://{BUCKET}/runs/")
        again = Path(download_artifacts(source, dst_path=str(tmp_path / "again"), tracking_uri=mlflow))
        assert bundle.digest(again) == release.bundle
        assert bundle.load(again).lineage["snapshot"] == release.snapshot

    assert [entry.action for entry in Ledger(databases["encore"]).entries()] == ["promote"]
    assert count(databases["encore"], "studies") == 3, "a study for each family of the smoke run"
    assert count(databases["mlflow"], "runs") > 5
    assert count(databases["prefect"], "task_run") > 10
    assert not list(home.root.rglob("*.db")), "nothing is kept in files"
    assert not list(home.root.rglob("*.journal"))
    assert not (home.root / "runs").exists()
