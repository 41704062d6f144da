"""RecGPT: L tokens per item in a hybrid attention, all tokens of the next item predicted at once.

RecGPT (arXiv:2506.06270): every token is read with the slice of the content vector it was quantised from,
tokens see their own item both ways and earlier items (`mixers/block_causal.py`), and position p predicts the
token at p + L. Departs from the paper: each slot has its own token table, positions count items, the score of
every item is exact instead of a beam's, and a block of start tokens stands for "nothing yet". Made for FSQ
codes; the collision digit is left out, so items with equal codes tie. Dims: B rows, T items of the longest
row, Q queries, M targets, L slots, K codes of a slot, C content size, D model size.
"""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from models.decoding.slots import top_slots
from models.heads.code_head import CodeHead
from models.recommender import Floats, Mask, Recommendations
from models.recommenders.code_recommender import CodeRecommender
from models.recommenders.settings import TrainedConfig
from models.sequence.code_tokens import CodeTokens
from models.sequence.dropout import Dropout
from models.sequence.mixers.block_causal import BlockCausalAttention
from models.sequence.rows import RowBatch, Rows
from models.sequence.trunk import Trunk
from models.tokenizers.code_table import CodeTable


class RecGPTConfig(TrainedConfig):
    """Sizes and training of the recipe."""


class RecGPTModule(nn.Module):
    """Norm(token) + norm(projected content slice), trunk over blocks, one head per slot."""

    content: Tensor

    def __init__(self, config: RecGPTConfig, codes: CodeTable, content: Floats) -> None:
        super().__init__()
        d, sizes = config.d_model, codes.sizes[:-1]
        self.n_slots = len(sizes)
        self.tokens = CodeTokens(codes.codes[:, :-1], sizes, d)
        self.register_buffer("content", torch.from_numpy(content.copy()))
        self.project = nn.Linear(-(-content.shape[1] // self.n_slots), d, bias=False)
        self.norm_token, self.norm_slice = nn.LayerNorm(d), nn.LayerNorm(d)
        self.position = nn.Embedding(config.max_length, d)
        self.start = nn.Parameter(torch.randn(self.n_slots, d) * d**-0.5)
        self.drop = Dropout(config.dropout)
        self.trunk = Trunk(
            lambda: BlockCausalAttention(d, config.n_heads, block=self.n_slots),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        self.head = CodeHead(sizes, d)
        nn.init.normal_(self.position.weight, std=0.1 * d**-0.5)

    def states(self, item: Tensor) -> Tensor:
        """State of each slot after each item, and of an empty history: int64 [B, T] -> [B, T + 1, L, D]."""
        x = self.norm_token(self.tokens(item)) + self.norm_slice(self.project(self._slices(item)))
        x = self.drop(x + self.position(torch.arange(item.shape[1]))[:, None])
        x = torch.cat([self.start.expand(len(item), 1, -1, -1), x], dim=1)
        out: Tensor = self.trunk(x.flatten(1, 2))
        return out.view(x.shape)

    def loss(self, batch: RowBatch) -> Tensor:
        """Mean cross-entropy of the tokens of the targets."""
        states = self.states(batch.rows.item).flatten(0, 1)[batch.cell]
        code, query = self.tokens.code[batch.target_item], batch.target_query
        slots = range(self.n_slots)
        return torch.stack([self.head.loss(states[:, at], at, query, code[:, at]) for at in slots]).mean()

    def log_probs(self, rows: Rows) -> Tensor:
        """Of each code of each slot of the next item: [B, L, K], K the largest size; 0 past a slot's own."""
        newest = self.states(rows.item)[torch.arange(len(rows.item)), rows.length]
        every = [self.head.logits(newest[:, at], at).log_softmax(dim=-1).T for at in range(self.n_slots)]
        return nn.utils.rnn.pad_sequence(every, batch_first=True).permute(2, 0, 1)

    def _slices(self, item: Tensor) -> Tensor:
        """Content vectors cut into L equal slices, zeros where C does not divide: [B, T, L, C / L]."""
        vectors = self.content[item]
        size = self.project.in_features
        padded = nn.functional.pad(vectors, (0, size * self.n_slots - vectors.shape[-1]))
        return padded.view(*item.shape, self.n_slots, size)


class RecGPT(CodeRecommender[RecGPTConfig, RecGPTModule]):
    """The recommender."""

    family: ClassVar[str] = "recgpt"

    @staticmethod
    def build(config: RecGPTConfig, codes: CodeTable, content: Floats) -> RecGPTModule:
        """See `CodeRecommender.build`."""
        return RecGPTModule(config, codes, content)

    def answer(self, rows: Rows, k: int, allowed: Mask | None) -> Recommendations:
        """See `CodeRecommender.answer`."""
        log_probs = self.module.log_probs(rows).numpy()
        return top_slots(log_probs, self.codes.codes[:, :-1].astype(np.int32), k, allowed)
