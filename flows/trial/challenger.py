"""Challenger: from what a person names to a Bento that can be tried beside the champion."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from flows.config import ConfigError, mistakes
from flows.environment import Home
from flows.record.bundles import bundle_with
from flows.record.ledger import Entry, Ledger
from flows.record.release import Release
from models import bundle
from serving import bento
from serving.place import check_challenger, place_of
from serving.trial.config import TrialConfig

KNOWS_TRIALS = ("trial/trial.py", "trial.py")  # in the source of a Bento, now and earlier


def config_of(*, shadow: bool, canary: float | None, settings: Path | None) -> TrialConfig:
    """How a challenger is tried: by the command's options, the rest by a TOML file of `TrialConfig`.

    Raises:
        ValueError: neither or both ways are asked for.
        ConfigError: the file cannot be read, or a value is out of bounds.
    """
    if shadow == (canary is not None):
        came = "both" if shadow else "neither"
        raise ValueError(f"a challenger is tried one way, but got {came}: give --shadow or --canary SHARE.")
    asked = {"mode": "shadow"} if shadow else {"mode": "canary", "share": canary}
    name = settings or Path("--canary")
    try:
        rest = {} if settings is None else tomllib.loads(settings.read_text(encoding="utf-8"))
        return TrialConfig.model_validate({**rest, **asked})
    except OSError as error:
        raise ConfigError(f"{name}: settings of a trial are a TOML file, but there is none.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: the file must be TOML, but got: {error}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(f"{name}: {line}" for line in mistakes(error))) from error


def packed(home: Home, wanted: str, champion: Release) -> Path:
    """Folder of the challenger's Bento; a bundle that is none yet, as after a refusal, is packed first.

    Its answers can be traced then, even if what trained it is cleaned away.

    Args:
        home: of the project.
        wanted: tag of a Bento; number of an act in the ledger; the first digits of a bundle's digest, six or
            more, as the history shows them; or a folder.
        champion: what it is tried beside.

    Raises:
        ValueError: there is no such model, it is damaged or the champion itself, or the champion's Bento is
            from before trials.
    """
    _check_champion(home, champion)
    entries = Ledger(home.ledger_url).entries()
    folder = _found(home, wanted, entries)
    if folder is None:
        raise ValueError(
            f"a challenger must be the tag of a Bento, an act's number or a bundle's digest from "
            f"`encore history`, or a folder, but got {wanted!r}: name one that is still on disk."
        )
    check_challenger(folder, Path(champion.bundle_path))
    place = place_of(folder)
    bundle.load(place.folder)  # refuses what was changed after it was written
    if place.bento is not None:
        return place.folder.parent.parent
    run_ids = [entry.run_id for entry in entries if entry.bundle == place.digest and entry.run_id]
    lineage = {"run_id": run_ids[-1]} if run_ids else {}
    return bento.build(place.folder, home=home.bentos, lineage=lineage).path


def _found(home: Home, wanted: str, entries: list[Entry]) -> Path | None:
    if Path(wanted).is_dir():
        return Path(wanted)
    if ":" in wanted:
        return bento.find(wanted, home.bentos)
    if wanted.isdecimal() and int(wanted) <= len(entries):
        digests = {entry.bundle for entry in entries if entry.seq == int(wanted)}
    else:
        digests = {entry.bundle for entry in entries if len(wanted) >= 6 and entry.bundle.startswith(wanted)}
    return bundle_with(home, digests.pop()) if len(digests) == 1 else None


def _check_champion(home: Home, champion: Release) -> None:
    packed = bento.find(champion.bento, home.bentos) / "src" / "serving"
    if not any((packed / file).is_file() for file in KNOWS_TRIALS):
        raise ValueError(
            f"the champion's Bento must know trials, but {champion.bento} was built before there were any: "
            "`encore retrain` packs it anew."
        )
