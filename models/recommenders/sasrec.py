"""SASRec: causal attention over item ids, scored against every item; with full softmax or as it is copied.

Self-attentive sequential recommendation (Kang and McAuley 2018, arXiv:1808.09781, section III). The paper
trains with one sampled negative (`sasrec-bce`); cross-entropy over the whole catalogue instead (`sasrec`) is
what makes it a strong baseline (Klenitskiy and Vasilev 2023, arXiv:2309.07602). Where events come in baskets,
the state after one predicts every item of the next; without baskets each event is one, as in the paper.
Other recipes that read item ids change the trunk (`esasrec.py`, `hstu.py`).
Dims: B rows, T positions, D model size, I items.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from data.interactions import Interactions
from models.learning.training import Trained, train
from models.objectives.full_softmax import full_softmax
from models.objectives.negatives import draw_unseen, one_negative_bce, sampled_softmax
from models.recommender import (
    Arrays,
    FitData,
    Floats,
    Mask,
    Recommendations,
    Watcher,
    top_k,
)
from models.recommenders.passes import in_passes
from models.recommenders.settings import CatalogueLossConfig
from models.sequence.dropout import Dropout
from models.sequence.mixers.attention import CausalAttention
from models.sequence.rows import RowBatch, RowBatches, Rows, newest_rows
from models.sequence.trunk import Trunk


class SASRecConfig(CatalogueLossConfig):
    """Sizes and training of the recipe."""

    d_model: int = Field(default=64, ge=8, description="D.")
    n_blocks: int = Field(default=1, ge=1)
    n_heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    max_length: int = Field(default=200, ge=2, description="T, newest events the model sees.")
    scaled_inputs: bool = Field(
        default=False,
        description="Read items sqrt(D) times as large as they score, as the authors' code does; it learns "
        "faster and overfits sooner.",
    )
    queries_per_row: int | None = Field(
        default=10, ge=1, description="Baskets predicted per row and epoch, None for all."
    )
    loss: Literal["softmax", "bce", "sampled"] = Field(
        default="softmax", description="Against the whole catalogue, one negative, or `n_negatives`."
    )
    n_negatives: int = Field(default=256, ge=1, description="Of the sampled loss.")
    negative_draws: int = Field(
        default=1, ge=1, description="Draws of negatives a batch; 1 shares one, more give a stronger signal."
    )
    temperature: float | None = Field(
        default=None, gt=0, description="Scores are cosines divided by it; None for dot products."
    )
    item_bias: bool = Field(default=True, description="Learn each item's popularity apart from its vector.")
    batch_rows: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    epochs: int = Field(default=8, ge=1)
    patience: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _precision_has_an_effect(self) -> Self:
        if self.loss_precision != "float32" and self.loss != "softmax":
            raise ValueError(
                f"loss_precision {self.loss_precision} is for the loss over all items, but loss is "
                f"{self.loss}: set loss_precision to float32."
            )
        return self

    def trunk(self) -> Trunk:
        """The network between item vectors and states; what other recipes change."""
        return Trunk(
            lambda: CausalAttention(self.d_model, self.n_heads, distance_bias=False),
            n_blocks=self.n_blocks,
            d_model=self.d_model,
            dropout=self.dropout,
        )


class ShortHistoryConfig(SASRecConfig):
    """SASRec for many users with few events each, as in the Amazon reviews that papers compare on."""

    n_heads: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_length: int = Field(default=50, ge=2, description="T, newest events the model sees.")
    queries_per_row: int | None = Field(
        default=None, ge=1, description="Baskets predicted per row and epoch, None for all."
    )
    item_bias: bool = Field(default=False, description="Learn each item's popularity apart from its vector.")
    batch_rows: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    epochs: int = Field(default=20, ge=1)
    patience: int = Field(default=3, ge=1)


class SASRecBCEConfig(ShortHistoryConfig):
    """SASRec as everyone copies it: two blocks, one negative for each target, no item bias."""

    n_blocks: int = Field(default=2, ge=1)
    loss: Literal["softmax", "bce", "sampled"] = "bce"


class SASRecModule(nn.Module):
    """Item embedding, learned positions, a trunk; the item embedding also scores."""

    bias: Tensor

    def __init__(self, config: SASRecConfig, n_items: int) -> None:
        super().__init__()
        d = config.d_model
        self.config = config
        self.item = nn.Embedding(n_items, d)
        self.position = nn.Embedding(config.max_length, d)
        self.start = nn.Parameter(torch.zeros(d))
        bias = torch.zeros(n_items)
        if config.item_bias:
            self.bias = nn.Parameter(bias)
        else:
            self.register_buffer("bias", bias)
        self.scale = math.sqrt(d) if config.scaled_inputs else 1.0
        self.drop = Dropout(config.dropout)
        self.trunk = config.trunk()
        nn.init.normal_(self.item.weight, std=d**-0.5)
        nn.init.normal_(self.position.weight, std=0.1 * d**-0.5)

    def states(self, rows: Rows) -> Tensor:
        """State after each item, and of an empty history at column 0: [B, T] -> [B, T + 1, D]."""
        out: Tensor = self.trunk(self._inputs(rows.item), rows.clock())
        return out

    def newest_state(self, rows: Rows) -> Tensor:
        """State after the last item of each row: [B, D]."""
        return self.trunk.at(self._inputs(rows.item), rows.length, rows.clock())

    def _inputs(self, item: Tensor) -> Tensor:
        x = self.drop(self.scale * self.item(item) + self.position(torch.arange(item.shape[1])))
        return torch.cat([self.start.expand(len(item), 1, -1), x], dim=1)

    def loss(self, batch: RowBatch) -> Tensor:
        """What `config.loss` says, the mean over targets."""
        hidden, table = self._compared(self.states(batch.rows).flatten(0, 1)[batch.cell])
        problem = (hidden, table, self.bias, batch.target_query, batch.target_item)
        match self.config.loss:
            case "softmax":
                return full_softmax(*problem, precision=self.config.loss_dtype())
            case "bce":
                return one_negative_bce(*problem, self._unseen(batch))
            case "sampled":
                shape = (min(self.config.negative_draws, len(hidden)), self.config.n_negatives)
                return sampled_softmax(*problem, torch.randint(len(table), shape))

    def _unseen(self, batch: RowBatch) -> Tensor:
        """For each target an item that its row neither shows nor asks for: int64 [M]."""
        rows, width = batch.rows, batch.rows.item.shape[1]
        row, place = torch.nonzero(torch.arange(width) < rows.length[:, None], as_tuple=True)
        asked = (batch.cell // (width + 1))[batch.target_query]
        held = torch.cat([rows.item[row, place], batch.target_item])
        return draw_unseen(torch.cat([row, asked]), held, asked, len(self.bias))

    def scores(self, hidden: Tensor) -> Tensor:
        """[M, D] -> [M, I]."""
        hidden, table = self._compared(hidden)
        return torch.addmm(self.bias, hidden, table.T)

    def _compared(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """States [M, D] and item vectors [I, D] whose dot products are the scores."""
        if self.config.temperature is None:
            return hidden, self.item.weight
        asked = functional.normalize(hidden, dim=-1) / self.config.temperature
        return asked, functional.normalize(self.item.weight, dim=-1)


class SASRec:
    """The recommender; scores in float64, so a history gets the same list alone and in any batch."""

    family: ClassVar[str] = "sasrec"

    def __init__(self, config: SASRecConfig, module: SASRecModule) -> None:
        self.config = config
        self.weights = module.eval()
        self.module = SASRecModule(config, module.item.num_embeddings)
        self.module.load_state_dict(module.state_dict())
        self.module.double().eval().requires_grad_(False)

    @classmethod
    def fit(
        cls,
        config: SASRecConfig,
        data: FitData,
        *,
        seed: int,
        validate: Callable[["SASRec"], float] | None = None,
        watch: Watcher | None = None,
        checkpoint: Path | None = None,
        stop_after: int | None = None,
    ) -> tuple[Self, Trained]:
        """Train to predict each next basket; arguments as in `training.train`."""
        torch.manual_seed(seed)
        module = SASRecModule(config, data.n_items)
        if config.item_bias:
            counts = np.bincount(data.events.item, minlength=data.n_items) + 0.5
            with torch.no_grad():
                module.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))  # the start is popularity
        trained = train(
            module,
            RowBatches(
                data.events,
                data.n_items,
                max_length=config.max_length,
                batch_rows=config.batch_rows,
                queries_per_row=config.queries_per_row,
            ),
            config.training(),
            seed=seed,
            validate=None if validate is None else lambda: validate(cls(config, module)),
            watch=watch,
            checkpoint=checkpoint,
            stop_after=stop_after,
        )
        return cls(config, module), trained

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; scores are logits."""
        return in_passes(histories, k, allowed, lambda some, here: top_k(self._scores(some), k, here))

    def _scores(self, histories: Interactions) -> Floats:
        """float32 [B, I]."""
        rows = newest_rows(histories, self.config.max_length)
        with torch.inference_mode():
            hidden = self.module.newest_state(rows)
            return self.module.scores(hidden).float().numpy()

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        return {name: value.numpy() for name, value in self.weights.state_dict().items()}

    @classmethod
    def from_state(cls, config: SASRecConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        module = SASRecModule(config, len(state["bias"]))
        module.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        return cls(config, module)


class SASRecBCE(SASRec):
    """SASRec with the loss of its paper, the row that most tables call SASRec."""

    family: ClassVar[str] = "sasrec-bce"
