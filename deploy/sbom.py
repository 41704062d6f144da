"""SBOM: the installed packages that a distribution needs, as a CycloneDX 1.6 document; needs no network.

    python deploy/sbom.py encore serving > sbom.json

The first argument is the distribution, the others are its extras.
"""

import hashlib
import importlib.metadata as metadata
import json
import sys
import uuid
from collections.abc import Iterable
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Found = dict[str, metadata.Distribution]


def needed(name: str, extras: Iterable[str]) -> tuple[Found, dict[str, set[str]]]:
    """Every installed distribution that `name` with `extras` needs, itself included, and who needs whom.

    Raises:
        PackageNotFoundError: `name` is not installed.
    """
    found: Found = {}
    edges: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    open_ = [(canonicalize_name(name), extra) for extra in ("", *extras)]
    while open_:
        here = open_.pop()
        if here in seen:
            continue
        seen.add(here)
        own, extra = here
        found[own] = metadata.distribution(own)
        edges.setdefault(own, set())
        for line in found[own].requires or []:
            wanted = Requirement(line)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
                continue
            theirs = canonicalize_name(wanted.name)
            try:
                metadata.distribution(theirs)
            except metadata.PackageNotFoundError:  # for another platform, or left out on purpose
                continue
            edges[own].add(theirs)
            open_ += [(theirs, each) for each in ("", *wanted.extras)]
    return found, edges


def document(name: str, extras: Iterable[str]) -> dict[str, Any]:
    """The bill of materials: the same for the same packages, so that two can be compared."""
    found, edges = needed(name, extras)
    root = canonicalize_name(name)
    components = [_component(found[each]) for each in sorted(found) if each != root]
    content = json.dumps(components, sort_keys=True)
    serial = uuid.UUID(hashlib.sha256(content.encode()).hexdigest()[:32], version=4)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {**_component(found[root]), "type": "application"}},
        "components": components,
        "dependencies": [
            {"ref": _ref(found[each]), "dependsOn": sorted(_ref(found[other]) for other in edges[each])}
            for each in sorted(found)
        ],
    }


def _component(one: metadata.Distribution) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _ref(one),
        "name": canonicalize_name(one.metadata["Name"]),
        "version": one.version,
        "purl": _ref(one),
    }
    if licence := one.metadata.get("License-Expression"):
        component["licenses"] = [{"expression": licence}]
    return component


def _ref(one: metadata.Distribution) -> str:
    return f"pkg:pypi/{canonicalize_name(one.metadata['Name'])}@{one.version}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(sys.argv[1], sys.argv[2:]), indent=1) + "\n")
