"""Code recommender: what recipes over semantic IDs and rows share; each adds module and decoder.

Knows rows, training and state. Does not know how codes are read or spelled.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from data.interactions import Interactions
from models.learning.training import Trained, train
from models.recommender import Arrays, FitData, Floats, Mask, Recommendations, Watcher
from models.recommenders.passes import in_passes
from models.recommenders.settings import TrainedConfig
from models.sequence.rows import Rows, newest_rows
from models.tokenizers.code_table import CodeTable

NO_CONTENT = np.empty((0, 0), dtype=np.float32)

ConfigT = TypeVar("ConfigT", bound=TrainedConfig)
ModuleT = TypeVar("ModuleT", bound=nn.Module)


class CodeRecommender(ABC, Generic[ConfigT, ModuleT]):
    """The recommender; scores in float64, so a history gets the same list alone and in any batch."""

    family: ClassVar[str]
    for_older_bundles: ClassVar[dict[str, Tensor]] = {}
    """Weights that the first bundles of a recipe lack, at what they mean there."""

    def __init__(self, config: ConfigT, codes: CodeTable, module: ModuleT) -> None:
        self.config, self.codes = config, codes
        self.weights = module.eval()
        self.module = deepcopy(module).double().eval().requires_grad_(False)

    @staticmethod
    @abstractmethod
    def build(config: Any, codes: CodeTable, content: Floats) -> Any:
        """A fresh module with `loss(RowBatch)`.

        Args:
            config: of the recipe.
            codes: semantic IDs of all items.
            content: float32 [I, C]. A recipe that needs it keeps it as the buffer `content`.
        """

    @abstractmethod
    def answer(self, rows: Rows, k: int, allowed: Mask | None) -> Recommendations:
        """The lists of B histories, under `inference_mode`; arguments as in `Recommender.recommend`."""

    @classmethod
    def fit(
        cls,
        config: ConfigT,
        data: FitData,
        *,
        seed: int,
        validate: Callable[[Self], float] | None = None,
        watch: Watcher | None = None,
        checkpoint: Path | None = None,
        stop_after: int | None = None,
    ) -> tuple[Self, Trained]:
        """Train to predict each next basket; arguments as in `training.train`."""
        torch.manual_seed(seed)
        module = cls.build(config, data.codes, data.vectors)
        trained = train(
            module,
            config.batches(data.events, data.n_items),
            config.training(),
            seed=seed,
            validate=None if validate is None else lambda: validate(cls(config, data.codes, module)),
            watch=watch,
            checkpoint=checkpoint,
            stop_after=stop_after,
        )
        return cls(config, data.codes, module), trained

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; scores are log-probabilities of the item's codes."""

        def answer(some: Interactions, here: Mask | None) -> Recommendations:
            with torch.inference_mode():
                return self.answer(newest_rows(some, self.config.max_length), k, here)

        return in_passes(histories, k, allowed, answer)

    def with_codes(self, codes: CodeTable, vectors: Floats) -> Self:
        """See `extension.extended`; what is new is spelled and read by codes that are known.

        A collision digit that nobody had gets the mean of the rows of those that are known.
        """
        module = self.build(self.config, codes, vectors)
        served, n_digits = self.weights.state_dict(), self.codes.sizes[-1]
        state = {
            name: fresh if name == "content" else with_digits(served[name], len(fresh), n_digits)
            for name, fresh in module.state_dict().items()
        }
        module.load_state_dict(state)
        return type(self)(self.config, codes, module)

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        weights = {f"weights.{name}": value.numpy() for name, value in self.weights.state_dict().items()}
        sizes = np.array(self.codes.sizes, dtype=np.int64)
        return {"codes": self.codes.codes, "sizes": sizes, **weights}

    @classmethod
    def from_state(cls, config: ConfigT, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        codes = CodeTable(state["codes"], tuple(int(size) for size in state["sizes"]))
        module = cls.build(config, codes, state.get("weights.content", NO_CONTENT))
        weights = {
            name.removeprefix("weights."): torch.from_numpy(value)
            for name, value in state.items()
            if name.startswith("weights.")
        }
        module.load_state_dict(cls.for_older_bundles | weights)
        return cls(config, codes, module)


def with_digits(served: Tensor, n_rows: int, n_digits: int) -> Tensor:
    """A table whose last `n_digits` rows are the collision digit's, grown to `n_rows` by their mean."""
    n_new = n_rows - len(served)
    if n_new <= 0:
        return served
    return torch.cat([served, served[-n_digits:].mean(0).expand(n_new, *served.shape[1:])])
