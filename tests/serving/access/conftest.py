"""A served Bento with four keys, a log of requests and one site whose pages may ask."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from serving.bento import BentoInfo
from serving.process import running
from serving.settings import LOG_VARIABLE, ORIGINS_VARIABLE, TOKEN_VARIABLE, TOKENS_FILE_VARIABLE

SITE = "https://shop.example"


@dataclass(frozen=True)
class Guarded:
    """Its base URL and its log; "read-secret" has the role read and so on, "all-secret" has all."""

    url: str
    log: Path


def keys_file(folder: Path) -> Path:
    keys = [
        {
            "name": f"{role}-key",
            "roles": [role],
            "sha256": hashlib.sha256(f"{role}-secret".encode()).hexdigest(),
        }
        for role in ("read", "feedback", "admin")
    ]
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": keys}))
    return path


@pytest.fixture(scope="session")
def guarded(
    built: BentoInfo, home: Path, stranger: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    service = running(built.tag, home=home, log=folder / "log", python=stranger)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # other services are started while this one lives
            patch.setenv(TOKEN_VARIABLE, "all-secret")
            patch.setenv(TOKENS_FILE_VARIABLE, str(keys_file(folder)))
            patch.setenv(LOG_VARIABLE, "requests")
            patch.setenv(ORIGINS_VARIABLE, SITE)
            url = stack.enter_context(service)
        yield Guarded(url, folder / "log")
