"""Again: the answerer of an earlier version, made once more from what a service kept."""

from pathlib import Path
from typing import TYPE_CHECKING

from serving.catalogue.build import build
from serving.catalogue.journal import NAME, read
from serving.catalogue.steps import Steps

if TYPE_CHECKING:
    from serving.answers.answerer import Answerer


def at_version(base: "Answerer", folder: Path, version: int) -> "Answerer | None":
    """What answered as `version`; None where its acts were not kept in `folder`.

    Args:
        base: of the bundle that answered then.
        folder: of a service's changes; a service that has it may go on.
        version: 1 or more.

    Raises:
        ValueError: a line before it is damaged.
    """
    file = folder / NAME
    if not file.is_file():
        return None
    steps = Steps(base.lineage.bundle, base.bundle.catalogue.id_of, 0.0)
    for line in read(file):
        steps.replay(line)
        if line.version == version:
            return build(base, steps.newest.edits, version).answerer
    return None
