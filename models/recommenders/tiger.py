"""TIGER: reads a history as the codes of its items and spells the codes of the next one.

Rajput et al. 2023, arXiv:2305.05065, section 3.2: codes are all that goes in and all that comes out; a
decoder spells them left to right. The history is read in one of two ways:

- bidirectional, the paper's: one token per code, an encoder that sees the whole prefix, and cross-attention.
  Each target needs its own pass over its prefix.
- causal, ours and the default on a CPU: one position per item, the mean of its code embeddings, and a causal
  trunk whose state after each item is the decoder's first token. One pass over a history trains all its
  targets.

Departs from the paper: learned positions, pre-norm blocks, no user token (Cornac and GRID found it useless),
and a beam over the trie. Dims: B rows, T positions, Q queries, M targets, L levels, D model size.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.decoding.stepwise import stepwise_beam
from models.heads.code_head import CodeHead
from models.heads.spelling import Spelling
from models.recommender import Floats, Mask, Recommendations
from models.recommenders.code_recommender import CodeRecommender
from models.recommenders.settings import TrainedConfig
from models.sequence.code_tokens import CodeTokens
from models.sequence.cross_attention import Memory
from models.sequence.decoder import Branches, Decoder
from models.sequence.dropout import Dropout
from models.sequence.encoder import Encoder
from models.sequence.mixers.attention import CausalAttention
from models.sequence.rows import RowBatch, Rows
from models.sequence.trunk import Trunk
from models.tokenizers.code_table import CodeTable


class TigerConfig(TrainedConfig):
    """Sizes and training of the recipe."""

    encoder: Literal["causal", "bidirectional"] = Field(
        default="causal", description="bidirectional is the paper's; one pass per target, not per history."
    )
    decoder_blocks: int = Field(default=1, ge=1, description="Blocks that spell the item.")
    beam: int = Field(default=50, ge=1, description="Prefixes kept per level; a longer list widens it.")


@dataclass(frozen=True, slots=True)
class Context:
    """What Q decodings start from.

    Attributes:
        start: float [Q, D], the first token.
        memory: what else may be looked up, of Q rows.
    """

    start: Tensor
    memory: Memory | None

    def of(self, query: Tensor) -> "Context":
        """Rows int64 [M] of it."""
        if self.memory is None:
            return Context(self.start[query], None)
        return Context(self.start[query], Memory(self.memory.vectors[query], self.memory.real[query]))


class CausalReader(nn.Module):
    """One position per item, one pass for all prefixes of a row."""

    def __init__(self, config: TigerConfig) -> None:
        super().__init__()
        d = config.d_model
        self.position = nn.Embedding(config.max_length, d)
        self.start = nn.Parameter(torch.zeros(d))
        self.drop = Dropout(config.dropout)
        self.trunk = Trunk(
            lambda: CausalAttention(d, config.n_heads, distance_bias=False),
            n_blocks=config.n_blocks,
            d_model=d,
            dropout=config.dropout,
        )
        nn.init.normal_(self.position.weight, std=0.1 * d**-0.5)

    def every(self, rows: Rows, tokens: CodeTokens, cell: Tensor) -> Context:
        """After the prefixes that the cells int64 [Q] name."""
        return Context(self.trunk(self._inputs(rows.item, tokens)).flatten(0, 1)[cell], None)

    def newest(self, rows: Rows, tokens: CodeTokens) -> Context:
        """After the last item of each row."""
        return Context(self.trunk.at(self._inputs(rows.item, tokens), rows.length), None)

    def _inputs(self, item: Tensor, tokens: CodeTokens) -> Tensor:
        """int64 [B, T] -> [B, T + 1, D]."""
        x = self.drop(tokens.pooled(item) + self.position(torch.arange(item.shape[1])))
        return torch.cat([self.start.expand(len(item), 1, -1), x], dim=1)


class PrefixReader(nn.Module):
    """One token per code, one pass per prefix; positions count back from the newest item."""

    def __init__(self, config: TigerConfig, n_levels: int) -> None:
        super().__init__()
        d = config.d_model
        self.age = nn.Embedding(config.max_length, d)
        self.level = nn.Embedding(n_levels, d)
        self.start = nn.Parameter(torch.randn(2, d) * d**-0.5)
        self.drop = Dropout(config.dropout)
        self.encoder = Encoder(
            n_blocks=config.n_blocks, d_model=d, n_heads=config.n_heads, dropout=config.dropout
        )
        for table in (self.age, self.level):
            nn.init.normal_(table.weight, std=0.1 * d**-0.5)

    def every(self, rows: Rows, tokens: CodeTokens, cell: Tensor) -> Context:
        """After the prefixes that the cells int64 [Q] name."""
        row = cell // (rows.item.shape[1] + 1)
        return self._read(rows.item[row], cell % (rows.item.shape[1] + 1), tokens)

    def newest(self, rows: Rows, tokens: CodeTokens) -> Context:
        """After the last item of each row."""
        return self._read(rows.item, rows.length, tokens)

    def _read(self, item: Tensor, length: Tensor, tokens: CodeTokens) -> Context:
        """The first `length` (int64 [Q]) items of each row of int64 [Q, T]; one start token before them."""
        longest = int(length.max()) if len(length) else 0
        place = torch.arange(longest)
        age = (length[:, None] - 1 - place).clamp(min=0)
        x = tokens(item[:, :longest]) + self.age(age)[:, :, None] + self.level.weight
        first = self.start[0].expand(len(item), 1, -1)
        x = torch.cat([first, self.drop(x).flatten(1, 2)], dim=1)
        real = torch.arange(x.shape[1]) <= (length * tokens.code.shape[1])[:, None]
        return Context(self.start[1].expand(len(item), -1), self.encoder(x, real))


class TigerModule(nn.Module):
    """Code embeddings, a reader of histories, a decoder over the L codes of an item."""

    def __init__(self, config: TigerConfig, codes: CodeTable) -> None:
        super().__init__()
        d, causal = config.d_model, config.encoder == "causal"
        self.tokens = CodeTokens(codes.codes, codes.sizes, d)
        self.reader = CausalReader(config) if causal else PrefixReader(config, codes.n_levels)
        self.level = nn.Parameter(torch.randn(codes.n_levels, d) * 0.1 * d**-0.5)
        self.decoder = Decoder(
            n_blocks=config.decoder_blocks,
            d_model=d,
            n_heads=config.n_heads,
            dropout=config.dropout,
            cross=not causal,
        )
        self.head = CodeHead(codes.sizes, d)

    def loss(self, batch: RowBatch) -> Tensor:
        """Cross-entropy of the target's codes, each given the true ones before it; mean over codes."""
        context = self.reader.every(batch.rows, self.tokens, batch.cell).of(batch.target_query)
        code = self.tokens.code[batch.target_item]
        spelled = self.tokens(batch.target_item)[:, :-1]
        x = torch.cat([context.start[:, None], spelled], dim=1) + self.level
        hidden = self.decoder(x, context.memory)
        each = torch.arange(len(code))
        levels = range(code.shape[1])
        return torch.stack([self.head.loss(hidden[:, at], at, each, code[:, at]) for at in levels]).mean()

    def speller(self, rows: Rows) -> Spelling:
        """What comes after each history, asked by a beam."""
        context = self.reader.newest(rows, self.tokens)
        first = context.start[:, None] + self.level[0]
        nowhere = torch.zeros(len(first), dtype=torch.int64)
        branches = Branches(self.decoder, first, nowhere, context.memory)
        return Spelling(branches, self._next_input, self.head)

    def _next_input(self, code: Tensor, level: int) -> Tensor:
        """int64 [Q, W] -> [Q, W, D]."""
        return self.tokens.of_level(code, level) + self.level[level + 1]


class Tiger(CodeRecommender[TigerConfig, TigerModule]):
    """The recommender."""

    family: ClassVar[str] = "tiger"

    @staticmethod
    def build(config: TigerConfig, codes: CodeTable, content: Floats) -> TigerModule:
        """See `CodeRecommender.build`."""
        return TigerModule(config, codes)

    def answer(self, rows: Rows, k: int, allowed: Mask | None) -> Recommendations:
        """See `CodeRecommender.answer`."""
        speller = self.module.speller(rows)
        return stepwise_beam(speller, self.codes.trie, k, allowed, beam=max(self.config.beam, k))
