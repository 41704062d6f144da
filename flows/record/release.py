"""Release: one model version that can answer requests.

The registry, the serving pointer and the ledger all speak of it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """What has to be known to serve a model and to say where it comes from.

    Attributes:
        bento: tag in BentoML's store.
        bundle: digest of the bundle inside the Bento.
        bundle_path: folder of that bundle.
        version: number in the MLflow registry, "" if it is not registered.
        family: name of the model family.
        run_id: MLflow run that made it.
        snapshot: digest of the data behind it.
        generation: id of the code table.
    """

    bento: str
    bundle: str
    bundle_path: str
    version: str
    family: str
    run_id: str
    snapshot: str
    generation: str
