"""Parallel codes: long semantic IDs without order, all digits of the next item predicted at once.

RPG (Hou et al. 2025, arXiv:2506.05781): an item is the mean of the embeddings of its
digits, a causal trunk reads one position per item, and one residual head per digit predicts by cosine over a
temperature. Every item is scored exactly from the digits' log-probabilities, where RPG walks an item graph;
query slots that do not see each other are SETRec's decoder too (Lin et al. 2025, arXiv:2502.10833). Made for
product-quantised codes; the collision digit is left out, so items with equal codes tie. Dims: B rows, T
positions, Q queries, m digits, K codes of a digit, D model size.
"""

import math
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models.decoding.slots import top_slots
from models.objectives.full_softmax import full_softmax
from models.recommender import Floats, Mask, Recommendations
from models.recommenders.code_recommender import CodeRecommender
from models.recommenders.settings import TrainedConfig
from models.sequence.code_tokens import CodeTokens
from models.sequence.dropout import Dropout
from models.sequence.mixers.attention import CausalAttention
from models.sequence.rows import RowBatch, Rows
from models.sequence.trunk import Trunk
from models.tokenizers.code_table import CodeTable


class ParallelCodesConfig(TrainedConfig):
    """Sizes and training of the recipe."""

    temperature: float = Field(default=0.07, gt=0, description="Cosines are divided by it; RPG has 0.03.")


class ParallelCodesModule(nn.Module):
    """Digit embeddings that are read and predicted, trunk, one head per digit.

    A mean of unit vectors would drown in what the blocks add to it, so it is read `scale` times as large.
    """

    scale: Tensor

    def __init__(self, config: ParallelCodesConfig, codes: CodeTable) -> None:
        super().__init__()
        d, sizes = config.d_model, codes.sizes[:-1]
        self.temperature = config.temperature
        self.sizes = list(sizes)
        self.register_buffer("scale", torch.tensor([math.sqrt(len(sizes) * d)]))
        self.tokens = CodeTokens(codes.codes[:, :-1], sizes, d)
        self.position = nn.Embedding(config.max_length, d)
        self.start = nn.Parameter(torch.zeros(d))
        self.drop = Dropout(config.dropout)
        self.trunk = Trunk(
            lambda: CausalAttention(d, config.n_heads, distance_bias=False),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        self.heads = nn.Parameter(torch.zeros(len(sizes), d, d))
        nn.init.normal_(self.position.weight, std=0.1 * d**-0.5)

    def loss(self, batch: RowBatch) -> Tensor:
        """Mean cross-entropy of the digits of the targets."""
        hidden = self.trunk(self._inputs(batch.rows.item)).flatten(0, 1)[batch.cell]
        states, code = self._states(hidden), self.tokens.code[batch.target_item]
        each = [
            full_softmax(state, table, state.new_zeros(len(table)), batch.target_query, code[:, digit])
            for digit, (state, table) in enumerate(zip(states, self._tables(), strict=True))
        ]
        return torch.stack(each).mean()

    def newest_state(self, rows: Rows) -> Tensor:
        """State after the last item of each row: [B, D]."""
        out: Tensor = self.trunk.at(self._inputs(rows.item), rows.length)
        return out

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Of each code of each digit: [Q, D] -> [Q, m, K], K the largest size; -inf past a digit's own."""
        padded = nn.utils.rnn.pad_sequence(self._tables(), batch_first=True)
        logits = self._states(hidden) @ padded.transpose(1, 2)
        missing = torch.arange(padded.shape[1]) >= torch.tensor(self.sizes)[:, None]
        return logits.masked_fill(missing[:, None], float("-inf")).log_softmax(dim=-1).transpose(0, 1)

    def _states(self, hidden: Tensor) -> Tensor:
        """Unit vectors over the temperature, one for each digit: [Q, D] -> [m, Q, D]."""
        states = hidden + functional.silu(hidden @ self.heads.transpose(1, 2))
        return functional.normalize(states, dim=-1) / self.temperature

    def _tables(self) -> list[Tensor]:
        """Unit vectors of the codes: m of [K, D]."""
        return list(functional.normalize(self.tokens.table.weight, dim=-1).split(self.sizes))

    def _inputs(self, item: Tensor) -> Tensor:
        """Items as they are read, entries of variance 1 at first: int64 [B, T] -> [B, T + 1, D]."""
        x = self.scale * self.tokens.pooled(item) + self.position(torch.arange(item.shape[1]))
        return torch.cat([self.start.expand(len(item), 1, -1), self.drop(x)], dim=1)


class ParallelCodes(CodeRecommender[ParallelCodesConfig, ParallelCodesModule]):
    """The recommender."""

    family: ClassVar[str] = "parallel-codes"
    for_older_bundles: ClassVar[dict[str, Tensor]] = {"scale": torch.ones(1)}

    @staticmethod
    def build(config: ParallelCodesConfig, codes: CodeTable, content: Floats) -> ParallelCodesModule:
        """See `CodeRecommender.build`."""
        return ParallelCodesModule(config, codes)

    def answer(self, rows: Rows, k: int, allowed: Mask | None) -> Recommendations:
        """See `CodeRecommender.answer`."""
        log_probs = self.module.log_probs(self.module.newest_state(rows)).numpy()
        return top_slots(log_probs, self.codes.codes[:, :-1].astype(np.int32), k, allowed)
