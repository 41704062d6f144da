"""Place: where a model lies on disk, alone or in a Bento; reads no weights."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model lies.

    Attributes:
        folder: of the bundle.
        lineage: file of what was added when it was packed; there may be none.
        bento: tag of the Bento around it, None outside one.
    """

    folder: Path
    lineage: Path
    bento: str | None

    @property
    def digest(self) -> str:
        """The recorded digest of the bundle, "" for none."""
        file = self.folder / "digest"
        return file.read_text() if file.is_file() else ""


def place_of(folder: Path) -> Place:
    """The bundle in `folder`, which is a bundle's or a Bento's.

    Raises:
        ValueError: it is neither.
    """
    if (folder / "bento.yaml").is_file():
        return Place(folder / "src" / "bundle", folder / "src" / "lineage.json", _tag(folder / "bento.yaml"))
    if not (folder / "bundle.json").is_file():
        raise ValueError(
            f"a model must be the folder of a bundle or of a Bento, but got {folder}, which has neither "
            "bundle.json nor bento.yaml: give one that has."
        )
    around = folder.parent.parent
    if folder.name == "bundle" and (around / "bento.yaml").is_file():
        return place_of(around)
    return Place(folder, folder.with_name("lineage.json"), None)


def check_challenger(folder: Path, champion: Path) -> None:
    """Refuse a challenger that cannot be one.

    Args:
        folder: the challenger's, a bundle's or a Bento's.
        champion: folder of the champion's bundle or Bento.

    Raises:
        ValueError: no model, or the champion itself.
    """
    theirs, ours = place_of(folder).digest, place_of(champion).digest
    if theirs == ours:
        raise ValueError(
            f"a challenger must be another bundle than the champion, but both are {ours[:12]}: "
            "name another challenger, or none."
        )


def _tag(file: Path) -> str:
    """name:version of a Bento, from its description."""
    text = file.read_text(encoding="utf-8")
    name = re.search(r"^name: *['\"]?([^'\"\s]+)", text, re.MULTILINE)
    version = re.search(r"^version: *['\"]?([^'\"\s]+)", text, re.MULTILINE)
    if name is None or version is None:
        raise ValueError(f"{file}: a Bento must say its name and version, but does not: build it again.")
    return f"{name[1]}:{version[1]}"
