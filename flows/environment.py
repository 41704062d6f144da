"""Environment: where a project keeps its bytes, and the switches of the libraries it starts.

The one place that reads or sets environment variables. Nothing here runs at import: the command line and the
tests call `prepare` before any vendor is imported.
"""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

HOME_VARIABLE = "ENCORE_HOME"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
STUDIES_VARIABLE = "ENCORE_STUDIES_URL"
LEDGER_VARIABLE = "ENCORE_LEDGER_URL"
FILES_VARIABLE = "ENCORE_FILES_URL"
PREFECT_VARIABLE = "PREFECT_API_URL"
WHO_VARIABLE = "ENCORE_WHO"
ALARMS_VARIABLE = "ENCORE_ALARMS"
EVENTS_VARIABLE = "ENCORE_EVENTS"
CATALOGUE_VARIABLE = "ENCORE_CATALOGUE"
GLOO_VARIABLE = "GLOO_SOCKET_IFNAME"
LAYERS = ("data", "models", "validation", "serving", "flows")

SWITCHES: Mapping[str, str] = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "GOMP_SPINCOUNT": "1000",  # else two threads beside a busy core take 50 times as long
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else ten processes and 1.3 GB
    "MPLBACKEND": "Agg",
    "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(LAYERS),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # the default of 20 s fails on a busy machine
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # else each rank says that it looked for unused parameters
}


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds every byte a project makes; `var/` beside the code unless told otherwise."""

    root: Path

    @property
    def snapshots(self) -> Path:
        """Immutable copies of the input, one folder each."""
        return self.root / "snapshots"

    @property
    def work(self) -> Path:
        """Artefacts of the steps, one folder each, named by the content they were made from."""
        return self.root / "work"

    @property
    def files_url(self) -> str:
        """Where files of MLflow runs and registered bundles go: $ENCORE_FILES_URL (s3://...), else here.

        A tracking server has a place of its own.
        """
        return os.environ.get(FILES_VARIABLE) or (self.root / "runs").as_uri()

    @property
    def pointer(self) -> Path:
        """Which Bento answers requests: one small JSON file, replaced atomically."""
        return self.root / "serving.json"

    @property
    def intent(self) -> Path:
        """A promotion that has begun and is not finished; see `promotion.heal`."""
        return self.root / "promotion.json"

    @property
    def last_run(self) -> Path:
        """What the newest retraining looked at; see `last_run`."""
        return self.root / "last-run.json"

    @property
    def last_watch(self) -> Path:
        """What the newest look at the source found, so that nobody is told twice."""
        return self.root / "last-watch.json"

    @property
    def lock(self) -> Path:
        """Held by the one retraining that may work here."""
        return self.root / "retrain.lock"

    @property
    def bentos(self) -> Path:
        """BentoML's store: $BENTOML_HOME, else a folder here."""
        return Path(os.environ.get("BENTOML_HOME") or self.root / "bentoml")

    @property
    def answers(self) -> Path:
        """What the service was asked and answered, for `encore trace`."""
        return self.root / "answers"

    @property
    def catalogue(self) -> Path:
        """Where a service keeps changes of its catalogue: $ENCORE_CATALOGUE, else a folder here."""
        return Path(os.environ.get(CATALOGUE_VARIABLE) or self.root / "catalogue")

    @property
    def events(self) -> str:
        """What users did: $ENCORE_EVENTS (a path, or postgresql://...), else SQLite here."""
        return os.environ.get(EVENTS_VARIABLE) or str(self.root / "events.db")

    @property
    def reports(self) -> Path:
        """A page for each retraining."""
        return self.root / "reports"

    @property
    def logs(self) -> Path:
        """What servers say."""
        return self.root / "logs"

    @property
    def tracking_uri(self) -> str:
        """MLflow's store: $MLFLOW_TRACKING_URI, else SQLite here."""
        return os.environ.get(TRACKING_VARIABLE) or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def studies_url(self) -> str | None:
        """Optuna's database: $ENCORE_STUDIES_URL, else None, which means one journal file a study."""
        return os.environ.get(STUDIES_VARIABLE) or None

    @property
    def ledger_url(self) -> str:
        """The ledger's database: $ENCORE_LEDGER_URL, else SQLite here."""
        return os.environ.get(LEDGER_VARIABLE) or f"sqlite:///{self.root / 'ledger.db'}"


def home() -> Home:
    """The project's folder, made if missing: $ENCORE_HOME, else ./var."""
    folder = _root(None)
    folder.mkdir(parents=True, exist_ok=True)
    return Home(folder)


def prepare(root: Path | None = None) -> None:
    """Set what the libraries read when they are imported, unless it is set already.

    Telemetry off, patient time-outs, and each library's own folder below the project's. Call it before
    Prefect, MLflow or BentoML is imported. Child processes inherit all of it. Makes no folder.

    Args:
        root: the project's folder, instead of $ENCORE_HOME and ./var.
    """
    here = _root(root)
    os.environ[HOME_VARIABLE] = str(here)
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(here / "prefect"))
    os.environ.setdefault("BENTOML_HOME", str(here / "bentoml"))
    os.environ.setdefault(EVENTS_VARIABLE, Home(here).events)  # services keep there what sources read


def of_child(own: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `own` on top, for a process that it starts."""
    return {**os.environ, **own}


def prefect_url() -> str | None:
    """Address of the Prefect server's API, $PREFECT_API_URL; None for one that lives as long as a run."""
    return os.environ.get(PREFECT_VARIABLE) or None


def use_prefect(url: str) -> None:
    """Let this process, before Prefect is imported, and its children use the server at `url`."""
    os.environ[PREFECT_VARIABLE] = url


def talk_at(address: str) -> None:
    """Let processes that train together meet on the network that has `address`, unless a network is named."""
    for network, places in psutil.net_if_addrs().items():
        if address in {place.address for place in places}:
            os.environ.setdefault(GLOO_VARIABLE, network)


def hush() -> None:
    """Let the engine speak of trouble only; a server that people look at still gets everything."""
    if prefect_url() is None:
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")


def who() -> str:
    """Who acts, for the ledger: $ENCORE_WHO, else the login name, else "unknown"."""
    try:
        return os.environ.get(WHO_VARIABLE) or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def alarm_addresses() -> list[str]:
    """Where alarms go: Apprise addresses in $ENCORE_ALARMS, spaces between; they may hold passwords."""
    return os.environ.get(ALARMS_VARIABLE, "").split()


def _root(root: Path | None) -> Path:
    return (root or Path(os.environ.get(HOME_VARIABLE) or "var")).expanduser().resolve()
