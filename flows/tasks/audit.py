"""Audit: whether anything after a cut-off reached what the models of a window learn from."""

import tempfile
from pathlib import Path

from data.counterfactual import with_another_future
from data.snapshot import open_snapshot
from data.split import Window
from data.windows import FilterConfig, time_window
from flows.files import write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from flows.tasks.tokenizer import CODES, codes_for
from models.baselines.popularity import Popularity, PopularityConfig
from models.fitting import use_threads
from models.item_encoders.encoders import EncoderConfig
from models.item_graph import count_graph
from models.recommender import Arrays, FitData
from models.tokenizers.kinds import TokenizerConfig
from models.tokenizers.store import ItemCodes, load_codes
from validation.snapshot.leakage import RULES, differences, visible
from validation.snapshot.leakage import audit as audit_window


class LeakFound(ValueError):
    """Something after the cut-off reached what is learned from; the message names each rule that broke."""


@step("audit", layers=("data", "models", "validation"))
def audit(
    run: Context,
    draft: Path,
    *,
    name: str,
    snapshot: Artefact,
    window: Artefact,
    codes: Artefact,
    filters: FilterConfig,
    encoder: EncoderConfig,
    tokenizer: TokenizerConfig,
    served: Artefact | None,
    champion: Artefact | None,
    seed: int,
    threads: int,
) -> None:
    """Leaves audit.json. Recomputes the window from raw rows, then learns once more beside another future.

    For the second part every event after the cut-off is replaced by a random one. Window, item vectors,
    tokenizer, semantic IDs, item graph and popularity must be the same to the bit as those of this run.
    Encoders and tokenizers that learn from events are fitted anew on those of the other window.

    Raises:
        LeakFound: a rule does not hold.
    """
    use_threads(threads)
    real, held_out = open_snapshot(Path(snapshot.path)), open_window(run, window)
    found = audit_window(held_out, real, filters)
    cutoff, until = run.config.windows.bounds(name)
    with tempfile.TemporaryDirectory(prefix="encore-audit-") as scratch:
        other = with_another_future(real, cutoff, Path(scratch), seed=seed)
        beside = time_window(other, name=name, cutoff=cutoff, until=until, filters=filters)
    refitted = codes_for(beside, encoder, tokenizer, served=served, champion=champion, seed=seed)
    found += differences(learned(held_out, load_codes(codes.file(CODES))), learned(beside, refitted))
    if found:
        raise LeakFound(f"window {name}: " + "; ".join(finding.message for finding in found))
    write_json(draft / "audit.json", {"rules": [*RULES, "depends_on_the_future"], "findings": []})


def learned(window: Window, codes: ItemCodes) -> Arrays:
    """What models see of a window, its codes, and counts made from it."""
    data = FitData(window.train, len(window.catalogue), codes.vectors, codes.table)
    graph = count_graph(data.events, data.n_items, window=1, decay=1.0, within_basket=False)
    return {
        **visible(window),
        **codes.arrays(),
        **graph.to_arrays(),
        **Popularity.fit(PopularityConfig(), data).state(),
    }
