"""Encore's network: item views read by a causal trunk that knows the day, and a committee of such networks.

Every position predicts the next item over the whole catalogue and the digits of its semantic ID. Members of a
committee differ in their first weights and in their dropout; their logits are averaged. Dims: B rows, T
events, Q queries, I items, D model size.
"""

from typing import cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from models.heads.borrowing import borrowed_from
from models.heads.digit_heads import DigitHeads
from models.heads.item_views import VIEWS, ItemViews, View
from models.heads.pointer import Pointer
from models.item_graph import ItemGraph
from models.objectives.full_softmax import full_softmax
from models.recommender import FitData, Floats, Mask
from models.recommenders.settings import CatalogueLossConfig, TrainedConfig
from models.sequence.event_inputs import EventInputs
from models.sequence.mixers.attention import CausalAttention
from models.sequence.moments import Moments
from models.sequence.pairs import Pairs
from models.sequence.recurrence import FEATURES, anybody_returns
from models.sequence.rows import RowBatch, Rows
from models.sequence.trunk import Trunk
from models.tokenizers.code_table import CodeTable


class NetworkConfig(TrainedConfig, CatalogueLossConfig):
    """Sizes and training of the network."""

    n_blocks: int = Field(default=1, ge=1)
    n_heads: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Within the trunk.")
    input_dropout: float = Field(default=0.5, ge=0, lt=1, description="Of what the trunk reads.")
    batch_rows: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    epochs: int = Field(default=12, ge=1)
    patience: int = Field(default=5, ge=1)
    members: int = Field(default=1, ge=1, description="Networks that are averaged.")
    views: tuple[View, ...] = Field(default=VIEWS, min_length=1, description="What an item's vector sums up.")
    id_dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of items without id in a step.")
    averaged_neighbours: int = Field(default=30, ge=1, description="Neighbours whose vectors an item adds.")
    borrowed_neighbours: int = Field(
        default=5, ge=0, description="Items described alike that one without events borrows from."
    )
    knows_day: bool = Field(default=True, description="Whether a state knows its day.")
    pointer: bool = Field(
        default=True,
        description="Whether returns to own items are told apart from items that are new; where nobody ever "
        "returned, own items come last and nothing is learned for it.",
    )
    pointer_width: int = Field(default=32, ge=4, description="Hidden units of the pointer's network.")
    explores: bool = Field(
        default=False,
        description="Whether an item that is new to the user is told from new ones alone, not from own ones.",
    )
    distance_bias: bool = Field(
        default=False, description="Whether attention fades with distance, as long histories want it."
    )
    code_loss: float = Field(default=0.3, ge=0, description="Weight of predicting the digits.")
    temperature: float = Field(default=0.07, gt=0, description="Of the digits' cosines.")


class Network(nn.Module):
    """Item views, rows with a clock, trunk, digit heads."""

    closed: Tensor

    def __init__(
        self, config: NetworkConfig, views: ItemViews, inner: Moments, outer: Moments, *, pointing: bool
    ) -> None:
        super().__init__()
        d = config.d_model
        self.views = views
        self.inputs = EventInputs(
            config.max_length, d, inner if config.knows_day else None, config.input_dropout
        )
        self.outer = outer if config.knows_day else None
        self.trunk = Trunk(
            lambda: CausalAttention(d, config.n_heads, distance_bias=config.distance_bias),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        self.code_loss = config.code_loss if len(views.digits) else 0.0
        self.explores = config.explores
        self.loss_dtype = config.loss_dtype()
        self.pointer = None
        if pointing:
            self.pointer = Pointer(len(FEATURES), len(views.known), d, config.pointer_width)
        self.heads = DigitHeads(len(views.digits), d, config.temperature)
        closed = torch.zeros(len(views.known)).masked_fill(~views.known, -torch.inf)
        self.register_buffer("closed", closed, persistent=False)

    def loss(self, batch: RowBatch) -> Tensor:
        """Cross-entropy over returns to own items or to none, and over known items and digits of the rest."""
        items, query, target = self.views(), batch.target_query, batch.target_item
        hidden = self.inputs(batch.rows, items)
        hidden = self._dated(self.trunk(hidden), batch.rows).flatten(0, 1)[batch.cell]
        loss = hidden.new_zeros(())
        if batch.pairs is not None:
            back, sentinel = self.returns(hidden, items, batch.pairs)
            own = batch.pairs.target
            loss = loss - torch.where(own >= 0, back[own.clamp(min=0)], sentinel[query]).mean()
            query, target = query[own < 0], target[own < 0]  # the rest is for items that are new to the user
        if len(target):
            had = batch.had() if self.explores else None
            loss = loss + full_softmax(
                hidden, items, self.closed, query, target, left_out=had, precision=self.loss_dtype
            )
            loss = loss + self._spelled(hidden, query, target)
        return loss

    def _spelled(self, hidden: Tensor, query: Tensor, target: Tensor) -> Tensor:
        """Weighted cross-entropy over the digits of the targets."""
        if not self.code_loss:
            return hidden.new_zeros(())
        codes = self.views.item_codes[target]
        return self.code_loss * self.heads.loss(hidden, self.views.tables, query, codes)

    def returns(self, hidden: Tensor, items: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Log-probability of going back to each pair's item [P], and of none of them [Q]; see `Pointer`."""
        pointer = cast(Pointer, self.pointer)
        of_pairs = pointer.of_item(items)[pairs.item]
        features = pairs.features.to(hidden.dtype)
        out: tuple[Tensor, Tensor] = pointer(hidden, pairs.query, pairs.item, features, of_pairs)
        return out

    def newest_state(self, rows: Rows, items: Tensor, day: Tensor) -> Tensor:
        """State after the last event of each row, which was on `day` (float [B]): [B, D]."""
        hidden = self.trunk.at(self.inputs(rows, items), rows.length)
        return hidden if self.outer is None else hidden + self.outer(day)

    def scores(self, hidden: Tensor, items: Tensor, code_score: float) -> Tensor:
        """Logits of all items: [B, D], [I, D] -> [B, I]."""
        logits = hidden @ items.T
        if code_score and len(self.views.digits):
            codes = self.views.item_codes
            logits += code_score * self.heads.item_scores(hidden, self.views.tables, codes)
        return logits

    def _dated(self, hidden: Tensor, rows: Rows) -> Tensor:
        """Add the day of each state's newest event: [B, T + 1, D]; the start stays as it is."""
        if self.outer is None:
            return hidden
        return torch.cat([hidden[:, :1], hidden[:, 1:] + self.outer(rows.day)], dim=1)


class Committee(nn.Module):
    """Networks with first weights of their own, trained side by side on the same batches."""

    content: Tensor
    known: Tensor
    pointing: Tensor

    def __init__(
        self,
        config: NetworkConfig,
        codes: CodeTable,
        content: Floats,
        known: Mask,
        near: ItemGraph,
        days: tuple[float, int],
        *,
        pointing: bool,
    ) -> None:
        """Prepare the members.

        Args:
            config: of each of them.
            codes: semantic IDs.
            content: float32 [I, C].
            known: bool [I], whether the item has a training event.
            near: neighbours of each item.
            days: first day and number of knots of the time line, see `Moments`.
            pointing: whether the members have a pointer.
        """
        super().__init__()
        self.register_buffer("content", torch.from_numpy(content.copy()))
        self.register_buffer("known", torch.from_numpy(known.copy()))
        for name, array in near.to_arrays().items():
            self.register_buffer(name, torch.from_numpy(array))
        borrowed = None
        if config.borrowed_neighbours and "content" in config.views:
            borrowed = borrowed_from(content, known, config.borrowed_neighbours)
        self.register_buffer("days", torch.tensor(days, dtype=torch.float64))
        self.register_buffer("pointing", torch.tensor(pointing))
        self.members = nn.ModuleList(
            Network(
                config,
                ItemViews(
                    codes,
                    content,
                    known,
                    near,
                    config.d_model,
                    views=config.views,
                    id_dropout=config.id_dropout,
                    borrowed=borrowed,
                ),
                Moments(*days, config.d_model),
                Moments(*days, config.d_model),
                pointing=pointing,
            )
            for _ in range(config.members)
        )

    @property
    def networks(self) -> list[Network]:
        """The members, typed."""
        return [cast(Network, member) for member in self.members]

    def loss(self, batch: RowBatch) -> Tensor:
        """Sum over the members."""
        return torch.stack([network.loss(batch) for network in self.networks]).sum()

    def answers(
        self, rows: Rows, day: Tensor, pairs: Pairs | None, items: list[Tensor], code_score: float
    ) -> tuple[Tensor, Tensor | None]:
        """Means of the members: logits of all items after the last event of each row, and returns.

        Args:
            rows: histories.
            day: float [B], of each row's last event.
            pairs: what each history holds; None without a pointer.
            items: vectors of all items of each member, [I, D].
            code_score: weight of the digits' mean log-probability.

        Returns:
            Logits [B, I], and the probability of going back to each pair's item [P]; None without pairs.
        """
        logits, returns = [], []
        for network, vectors in zip(self.networks, items, strict=True):
            state = network.newest_state(rows, vectors, day)
            logits.append(network.scores(state, vectors, code_score))
            if pairs is not None:
                returns.append(network.returns(state, vectors, pairs)[0].exp())
        return torch.stack(logits).mean(0), torch.stack(returns).mean(0) if returns else None

    def standardise(self, batch: RowBatch) -> None:
        """Let the pointers know mean and spread of their features."""
        for network in self.networks:
            if network.pointer is not None and batch.pairs is not None:
                network.pointer.standardise(batch.pairs.features.numpy())


def committee_of(config: NetworkConfig, data: FitData, near: ItemGraph) -> Committee:
    """A fresh committee for a catalogue and its training events."""
    known = np.bincount(data.events.item, minlength=data.n_items) > 0
    pointing = config.pointer and anybody_returns(data.events)
    span = Moments.span(data.events)
    return Committee(config, data.codes, data.vectors, known, near, span, pointing=pointing)


def committee_like(config: NetworkConfig, codes: CodeTable, weights: dict[str, Tensor]) -> Committee:
    """The committee that has these weights."""
    first_day, n_knots = weights["days"].tolist()
    arrays = {name: value.numpy() for name, value in weights.items()}
    near = ItemGraph.from_arrays(arrays)
    pointing, span = bool(weights["pointing"]), (first_day, int(n_knots))
    made = Committee(config, codes, arrays["content"], arrays["known"], near, span, pointing=pointing)
    made.load_state_dict(weights)
    return made


def committee_with_codes(
    config: NetworkConfig, codes: CodeTable, content: Floats, served: Committee
) -> Committee:
    """The committee that serves, with items more that have no id part, no event and no neighbour.

    Args:
        config: of each member.
        codes: semantic IDs of all items, those that serve first.
        content: float32 [I, C], likewise.
        served: knows the first of them.
    """
    weights = dict(served.state_dict())
    n_new = len(codes) - len(weights["known"])
    weights["content"] = torch.from_numpy(content)
    weights["known"] = nn.functional.pad(weights["known"], (0, n_new))
    ends = weights["graph_indptr"]
    weights["graph_indptr"] = torch.cat([ends, ends[-1:].expand(n_new)])
    for name in weights:
        if name.endswith("views.id"):
            weights[name] = nn.functional.pad(weights[name], (0, 0, 0, n_new))
        if name.endswith("pointer.item_bias"):
            weights[name] = nn.functional.pad(weights[name], (0, n_new))
    return committee_like(config, codes, weights)
