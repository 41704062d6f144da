"""Found: the settings that the trials of an earlier result found, so that nothing is tuned again.

A study costs several fits and is the larger part of a comparison. Who trusts the settings of a result file
makes its fits again, or takes them to another data set, without one.
"""

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from flows.benchmark.config import NOT_SETTINGS, Contender
from flows.benchmark.pieces import Piece, Pieces
from flows.config import ConfigError, mistakes
from models.families import FAMILIES

logger = logging.getLogger(__name__)


def found_before(earlier: Mapping[str, Any], contender: Contender, on: str, pieces: Pieces) -> Piece | None:
    """An earlier study as a piece; None, with a warning, where it is missing or lacks a setting of now.

    A contender with nothing to tune has no study, and that is no news.

    Args:
        earlier: a result of `encore benchmark`.
        contender: who wants settings; an ablation has those of its family.
        on: the data set that was tuned on.
        pieces: of that data set.

    Raises:
        ConfigError: the study had a setting that this version of the code does not have.
    """
    rows = earlier["datasets"].get(on, {}).get("rows", ())
    row = next((each for each in rows if each["name"] == contender.parent), None)
    names = [name for name in FAMILIES[contender.family].space if name not in contender.fixed]
    if not names:
        return None
    if row is None or not set(names) <= set(row["settings"]):
        if not pieces.only_found:
            told = "The result file holds no settings of %s for %s: it is tuned."
            logger.warning(told, contender.name, on)
        return None
    then = row["tuning"].get("fixed", _fixed(earlier["config"]["families"][contender.parent]))
    study = row["tuning"] | {
        "fixed": then,
        "differs": _differing(contender, then),
        "params": {name: row["settings"][name] for name in names},
    }
    return pieces.get(f"{contender.parent} found", study, lambda _: study)


def _fixed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among what a config says of a family."""
    return {key: value for key, value in given.items() if key not in NOT_SETTINGS}


def _differing(contender: Contender, then: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Settings that the study had fixed otherwise than the fit has: [then, now] of each."""
    make = FAMILIES[contender.family].config
    try:
        before = make(**then).model_dump(mode="json")
    except ValidationError as error:
        raise ConfigError(
            f"{contender.name}: --found takes settings of the code as it is, but the result file has "
            f"{'; '.join(mistakes(error))}: tune again, without --found"
        ) from error
    after = make(**contender.fixed).model_dump(mode="json")
    return {name: [value, after[name]] for name, value in before.items() if value != after[name]}
