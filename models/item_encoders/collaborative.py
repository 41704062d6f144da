"""Collaborative: the item table of a SASRec trained on the events; who buys what together, no content.

The collaborative vectors of LETTER (Wang et al. 2024, arXiv:2405.07314, section 3.2), there from SASRec too.
Dims: I items, D vector size.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.item_encoders.fitted import ItemEncoder
from models.recommender import Arrays, Config, FitData, Floats
from models.recommenders.sasrec import SASRec, SASRecConfig
from models.tokenizers.code_table import CodeTable


class CollaborativeConfig(Config):
    """The model whose item table is taken."""

    kind: Literal["collaborative"] = "collaborative"
    model: SASRecConfig = Field(default=SASRecConfig(), description="Its sizes and training; D is d_model.")


@dataclass(frozen=True, slots=True)
class Collaborative(ItemEncoder):
    """The encoder of items that come later: zeros, as for an item without an event.

    What was learned of the others is not kept: it says nothing about these.

    Attributes:
        config: settings.
    """

    kind: ClassVar[str] = "collaborative"
    config: CollaborativeConfig

    def encode(self, items: Catalogue) -> Floats:
        """Zeros, float32 [J, D], whoever the items are."""
        return np.zeros((len(items), self.config.model.d_model), dtype=np.float32)

    def arrays(self) -> Arrays:
        """See `ItemEncoder.arrays`."""
        return {}

    def head(self) -> dict[str, Any]:
        """See `ItemEncoder.head`."""
        return {"config": self.config.model_dump(mode="json")}

    @classmethod
    def from_state(cls, head: dict[str, Any], arrays: Arrays) -> Self:
        """See `ItemEncoder.from_state`."""
        return cls(CollaborativeConfig(**head["config"]))


def encode_collaborative(
    events: Interactions | None, n_items: int, config: CollaborativeConfig, *, seed: int
) -> Floats:
    """Item vectors: float32 [I, D], of unit length; an item without an event gets zeros.

    Users without events are left out, so that who asks later changes nothing.

    Args:
        events: training events, all before the cut-off.
        n_items: I.
        config: settings.
        seed: of the training.

    Raises:
        ValueError: no events.
    """
    if events is None or not len(events):
        raise ValueError(
            "The collaborative item encoder learns from events, but got none: give the training events, or "
            "choose an encoder of fields (tfidf, categories)."
        )
    active = events.select(np.flatnonzero(events.lengths > 0))
    nothing = np.zeros((n_items, 1), dtype=np.float32)  # SASRec reads neither vectors nor codes
    data = FitData(active, n_items, nothing, CodeTable(np.arange(n_items)[:, None], (n_items,)))
    fitted, _ = SASRec.fit(config.model, data, seed=seed)
    vectors = fitted.weights.item.weight.detach().numpy()
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    seen = np.bincount(active.item, minlength=n_items) > 0
    return np.asarray(vectors * seen[:, None], dtype=np.float32)
