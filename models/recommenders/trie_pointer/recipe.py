"""Trie-pointer: spells the semantic ID of the next item, or points back at one the user had before.

p(item | history) = p(return to item) + p(sentinel) * p(item's codes), where the first comes from a pointer
over the user's own items (`heads/pointer.py`) and the last from a trie softmax (`heads/trie_softmax.py`).
Both are distributions over the same trie, so their sum decodes with the same beam. One position per basket,
one pass predicts every next basket of a history. Dims: B users, T positions, Q queries, P pairs, M targets,
N trie nodes without the root, I items, D model size.
"""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field

from data.interactions import Interactions, Ints
from models.decoding.trie_beam import trie_beam
from models.learning.data_parallel import train
from models.learning.training import Trained
from models.recommender import (
    Arrays,
    FitData,
    Floats,
    Mask,
    Recommendations,
    Watcher,
    concatenate,
    top_k,
)
from models.recommenders.settings import LearnedConfig
from models.recommenders.trie_pointer.answers import TriePointerAnswers
from models.recommenders.trie_pointer.batches import Batch, TriePointerBatches, assemble
from models.recommenders.trie_pointer.late import with_late
from models.recommenders.trie_pointer.network import TriePointerModule
from models.recommenders.trie_pointer.warm import carry_over
from models.sequence.baskets import basket_batch, basket_starts
from models.sequence.recurrence import Recurrence
from models.tokenizers.code_table import CodeTable

TRAINED = "weights.inputs.item_content"
BEAM_USERS = 16  # that a beam answers together; with more, their prefixes leave the caches


class TriePointerConfig(LearnedConfig):
    """Sizes and training of the recipe."""

    d_model: int = Field(default=64, ge=8, description="D.")
    n_blocks: int = Field(default=1, ge=1)
    n_heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_baskets: int = Field(default=50, ge=2, description="Newest baskets the trunk sees.")
    pointer_width: int = Field(default=32, ge=4, description="Hidden units of the pointer's network.")
    queries_per_user: int = Field(default=8, ge=1, description="Baskets predicted per user and epoch.")
    batch_users: int = Field(default=32, ge=1)
    beam: int | None = Field(default=None, ge=1, description="Width; a longer list widens it. None: exact.")
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    epochs: int = Field(default=5, ge=1)
    patience: int = Field(default=2, ge=1)


class TriePointer:
    """The recommender; a history gets the same list alone and in any batch."""

    family: ClassVar[str] = "trie-pointer"
    shared: ClassVar[bool] = True  # several processes can train one, see `data_parallel`

    def __init__(self, config: TriePointerConfig, codes: CodeTable, answers: TriePointerAnswers) -> None:
        self.config, self.codes, self.answers = config, codes, answers

    @classmethod
    def of(cls, config: TriePointerConfig, codes: CodeTable, module: TriePointerModule) -> Self:
        """The recommender of a network as it is now."""
        return cls(config, codes, TriePointerAnswers.of(config, codes, module))

    @classmethod
    def fit(
        cls,
        config: TriePointerConfig,
        data: FitData,
        *,
        seed: int,
        validate: Callable[["TriePointer"], float] | None = None,
        watch: Watcher | None = None,
        checkpoint: Path | None = None,
        stop_after: int | None = None,
    ) -> tuple[Self, Trained]:
        """Train on every next basket of every user; arguments as in `data_parallel.train`."""
        module, batches = untrained(config, data, seed)
        trained = train(
            module,
            batches,
            config.training(),
            seed=seed,
            validate=None if validate is None else lambda: validate(cls.of(config, data.codes, module)),
            watch=watch,
            checkpoint=checkpoint,
            stop_after=stop_after,
        )
        return cls.of(config, data.codes, module), trained

    @classmethod
    def go_on(
        cls,
        champion: Self,
        data: FitData,
        then: Ints,
        *,
        epochs: int,
        rate_share: float,
        seed: int,
        watch: Watcher | None = None,
        checkpoint: Path | None = None,
    ) -> tuple[Self, Trained]:
        """Train on from the weights of `champion`; arguments as in `warm_start.go_on`."""
        config = champion.config
        module, batches = untrained(config, data, seed)
        carry_over(module, champion.answers, data.codes, champion.codes, then)
        gently = config.training().model_copy(
            update={"epochs": epochs, "learning_rate": config.learning_rate * rate_share}
        )
        trained = train(module, batches, gently, seed=seed, watch=watch, checkpoint=checkpoint)
        return cls.of(config, data.codes, module), trained

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; scores are log-probabilities of the next item."""
        starts, first_basket = basket_starts(histories)
        recurrence = Recurrence(histories)
        rows = np.arange(histories.n_users)
        parts = []
        at_once = self.answers.users_at_once if self.config.beam is None else BEAM_USERS
        for begin in range(0, histories.n_users, at_once):
            chunk = rows[begin : begin + at_once]
            batch = self._query(histories, recurrence, starts, first_basket, chunk)
            here = allowed if allowed is None or allowed.ndim == 1 else allowed[chunk]
            parts.append(self._decode(batch, k, here))
        return concatenate(parts, k)

    @torch.inference_mode()
    def _decode(self, batch: Batch, k: int, allowed: Mask | None) -> Recommendations:
        """A list for each query, exactly or by beam."""
        if self.config.beam is None:
            return top_k(self.answers.item_scores(batch).numpy(), k, allowed)
        trie, beam = self.codes.trie, max(self.config.beam, k)
        return trie_beam(self.answers.prefixes(batch, trie), len(batch.cell), trie, k, allowed, beam=beam)

    def _query(
        self, histories: Interactions, recurrence: Recurrence, starts: Ints, first_basket: Ints, rows: Ints
    ) -> Batch:
        """One query per row, after its newest basket."""
        stop = first_basket[rows + 1]
        begin = np.maximum(first_basket[rows], stop - self.config.max_baskets)
        borders = np.append(starts, len(histories))
        end = histories.offsets[rows + 1]
        first = np.where(begin < stop, borders[begin], end)
        baskets = basket_batch(histories, first_event=first, end_event=end)
        pairs = recurrence.candidates(rows, end)
        nothing = np.empty(0, dtype=np.int64)
        cell = np.arange(len(rows)) * baskets.gap.shape[1] + (stop - begin)
        return assemble(baskets, cell, pairs, nothing, nothing, len(self.codes))

    def with_codes(self, codes: CodeTable, vectors: Floats) -> Self:
        """See `extension.extended`; old items keep their scores, see `trie_pointer_late`."""
        return type(self)(self.config, codes, with_late(self.answers, codes, self.codes, vectors))

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        sizes = np.array(self.codes.sizes, dtype=np.int64)
        return {"codes": self.codes.codes, "sizes": sizes, **self.answers.state()}

    @classmethod
    def from_state(cls, config: TriePointerConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        codes = CodeTable(state["codes"], tuple(int(size) for size in state["sizes"]))
        if TRAINED in state:
            return cls.of(config, codes, _network(config, codes, state))
        return cls(config, codes, TriePointerAnswers.from_state(config, codes, state))


def _network(config: TriePointerConfig, codes: CodeTable, state: Arrays) -> TriePointerModule:
    """The network whose weights a bundle of format 1 or 2 holds instead of the vectors that answer."""
    module = TriePointerModule(config, codes, state[TRAINED])
    learned = {name.removeprefix("weights."): torch.from_numpy(value) for name, value in state.items()}
    own = module.state_dict()
    module.load_state_dict({name: learned[name.removeprefix("body.")] for name in own})
    return module


def untrained(
    config: TriePointerConfig, data: FitData, seed: int
) -> tuple[TriePointerModule, TriePointerBatches]:
    """A network that answers with smoothed popularity, and the examples it learns from."""
    torch.manual_seed(seed)
    module = TriePointerModule(config, data.codes, data.vectors)
    batches = TriePointerBatches(
        data.events,
        n_items=data.n_items,
        max_baskets=config.max_baskets,
        queries_per_user=config.queries_per_user,
        batch_users=config.batch_users,
    )
    _prepare(module, batches, data, seed)
    return module, batches


def _prepare(module: TriePointerModule, batches: TriePointerBatches, data: FitData, seed: int) -> None:
    """Feature scale from one batch, node biases from training counts: the start is smoothed popularity."""
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(batches.users)[:256])
    module.body.pointer.standardise(batches.batch(sample, rng).pair_features.numpy())
    counts = np.bincount(data.events.item, minlength=data.n_items) + 0.5
    paths = data.codes.trie.paths() - 1
    below = np.zeros(len(data.codes.trie) - 1)
    for level in range(paths.shape[1]):
        np.add.at(below, paths[:, level], counts)
    with torch.no_grad():
        module.nodes.bias.copy_(torch.from_numpy(np.log(below)))
