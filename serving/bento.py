"""Bento: a bundle, the source that serves it and pinned requirements as one immutable folder.

Built in a subprocess from a staged copy, so that nothing but data/, models/ and serving/ can get in and
BentoML changes nothing in the process that asks. Needs no network.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from models import bundle

PROJECT = "encore"
NAME = "recommender"
LAYERS = ("data", "models", "serving")
SOURCE = Path(__file__).resolve().parent.parent
_OUTSIDE = {SOURCE / "serving" / name for name in ("bento.py", "process.py", "probe.py", "client.py")}
"""Files that handle Bentos from outside and are not packed."""
_PACKED = {".py", ".html", ".css", ".js"}


@dataclass(frozen=True, slots=True)
class BentoInfo:
    """A built Bento: its tag, `recommender:VERSION`, and its folder."""

    tag: str
    path: Path


def build(
    bundle_path: Path, *, home: Path, version: str | None = None, lineage: dict[str, str] | None = None
) -> BentoInfo:
    """Build the Bento of a bundle, or find it if the same bundle was built from the same source before.

    Args:
        bundle_path: folder that `models.bundle.save` wrote.
        home: BENTOML_HOME, where Bentos are stored.
        version: of the tag; without it, what the Bento holds: digests of the bundle and of the source.
        lineage: added to the lineage of the bundle, and to the labels. A Bento that exists keeps its own.

    Raises:
        ValueError: not a bundle, or `version` is taken by another bundle.
        RuntimeError: BentoML could not build it.
    """
    bundle.load(bundle_path)  # refuses what was changed after it was written
    digest = bundle.digest(bundle_path)
    version = version or f"{digest[:12]}-{_source_digest()[:8]}"
    target = BentoInfo(f"{NAME}:{version}", home.resolve() / "bentos" / NAME / version)
    if target.path.is_dir():
        _check_same(target, digest)
        return target
    with (
        tempfile.TemporaryDirectory(prefix="draft-", dir=_made(home)) as draft,
        tempfile.TemporaryDirectory(prefix="encore-bento-") as stage,  # BentoML refuses hidden folders
    ):
        _stage(Path(stage), bundle_path, lineage or {})
        _write_bentofile(Path(stage), {"bundle": digest, **(lineage or {})})
        _run_build(Path(stage), Path(draft), version)
        _move(Path(draft) / "bentos" / NAME / version, target.path)
    return target


def find(tag: str, home: Path) -> Path:
    """Folder of the Bento `tag` (`name:version`).

    Raises:
        ValueError: there is none in `home`.
    """
    name, _, version = tag.partition(":")
    path = home.resolve() / "bentos" / name / version
    if not version or not (path / "bento.yaml").is_file():
        raise ValueError(
            f"a tag must be the name:version of a built Bento, but {home} has no {tag!r}: build it first."
        )
    return path


def environment(home: Path) -> dict[str, str]:
    """The environment of every BentoML process: its home, no telemetry, nothing of this checkout."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, "BENTOML_HOME": str(home.resolve()), "BENTOML_DO_NOT_TRACK": "True"}


def pins() -> list[str]:
    """The installed version of each base dependency and of the extra "serving", without a local suffix."""
    declared = [Requirement(line) for line in importlib.metadata.requires(PROJECT) or []]
    needed = [one for one in declared if one.marker is None or one.marker.evaluate({"extra": "serving"})]
    names = sorted({one.name for one in needed} - {"bentoml"})  # BentoML pins itself
    return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in names]


def _sources() -> list[Path]:
    found = (path for layer in LAYERS for path in (SOURCE / layer).rglob("*"))
    return sorted(path for path in found if path.suffix in _PACKED and path not in _OUTSIDE)


def _source_digest() -> str:
    total = hashlib.sha256("\n".join(pins()).encode())
    for path in _sources():
        total.update(str(path.relative_to(SOURCE)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _check_same(target: BentoInfo, digest: str) -> None:
    packed = bundle.digest(target.path / "src" / "bundle")
    if packed != digest:
        raise ValueError(
            f"{target.tag}: a tag names one bundle, but it holds {packed[:12]} and got {digest[:12]}: "
            "choose another version, or none."
        )


def _stage(stage: Path, bundle_path: Path, lineage: dict[str, str]) -> None:
    for path in _sources():
        copy = stage / path.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copytree(bundle_path, stage / "bundle")
    (stage / "lineage.json").write_text(json.dumps(lineage, indent=1, sort_keys=True))


def _write_bentofile(stage: Path, labels: dict[str, str]) -> None:
    options: dict[str, Any] = {
        "service": "serving.service:RecommenderService",
        "description": _DESCRIPTION,
        "labels": labels,
        "include": [*(f"{layer}/" for layer in LAYERS), "bundle/", "lineage.json"],
        "python": {"packages": pins(), "lock_packages": False},
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
    }
    (stage / "bentofile.yaml").write_text(json.dumps(options, indent=1))  # JSON is YAML


def _run_build(stage: Path, home: Path, version: str) -> None:
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag", "."]
    done = subprocess.run(
        command, cwd=stage, env=environment(home), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-2000:]
        raise RuntimeError(f"a bundle must build into a Bento, but bentoml build said:\n{last}")


def _move(built: Path, target: Path) -> None:
    """All or nothing: BentoML's own saving copies file by file, and a kill would leave half a Bento."""
    _made(target.parent)
    built.rename(target)
    (target.parent / "latest").write_text(target.name)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


_DESCRIPTION = """Recommends items for a history or a known user: `POST /recommend`.

`{"history": ["item key", ...], "k": 10}` or `{"user": "user key", "k": 10}`; `GET /` is a page to try it,
`GET /info` says what is served. Built by Encore.
"""
