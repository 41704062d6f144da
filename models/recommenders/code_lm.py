"""Code-LM: one decoder-only language model over the codes of a history, in the order they were spelled.

GPT over semantic IDs: L tokens per item, each seeing all tokens before it, all next-token losses in one pass
(decoder-only TIGER; Rajput et al. 2023, arXiv:2305.05065, section 3.2, without the encoder). The first code
of an item is learned where its basket begins, from the last token before it; the codes after that inside the
item. Answers go on from the history's keys and values, with a beam over the trie. Dims: B rows, T items of
the longest row, Q queries, M targets, L levels, D model size.
"""

from typing import ClassVar

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
from models.sequence.decoder import Branches, Decoder
from models.sequence.dropout import Dropout
from models.sequence.rows import RowBatch, Rows
from models.tokenizers.code_table import CodeTable


class CodeLMConfig(TrainedConfig):
    """Sizes and training of the recipe."""

    beam: int = Field(default=50, ge=1, description="Prefixes kept per level; a longer list widens it.")


class CodeLMModule(nn.Module):
    """A start token, then L tokens per item; position of the item + level + code."""

    def __init__(self, config: CodeLMConfig, codes: CodeTable) -> None:
        super().__init__()
        d = config.d_model
        self.max_length, self.n_levels = config.max_length, codes.n_levels
        self.tokens = CodeTokens(codes.codes, codes.sizes, d)
        self.position = nn.Embedding(config.max_length + 1, d)
        self.level = nn.Parameter(torch.randn(codes.n_levels, d) * 0.1 * d**-0.5)
        self.start = nn.Parameter(torch.zeros(d))
        self.drop = Dropout(config.dropout)
        self.decoder = Decoder(
            n_blocks=config.n_blocks, d_model=d, n_heads=config.n_heads, dropout=config.dropout
        )
        self.head = CodeHead(codes.sizes, d)
        nn.init.normal_(self.position.weight, std=0.1 * d**-0.5)

    def loss(self, batch: RowBatch) -> Tensor:
        """Mean cross-entropy of the codes of an item, each given everything before it."""
        item, length = with_newest_targets(batch)
        hidden = self.decoder(self._inputs(item))
        row, seen = batch.cell // (batch.rows.item.shape[1] + 1), batch.cell % (batch.rows.item.shape[1] + 1)
        before, code = hidden[row, seen * self.n_levels], self.tokens.code[batch.target_item]
        losses = [self.head.loss(before, 0, batch.target_query, code[:, 0])]
        row, place = (torch.arange(item.shape[1]) < length[:, None]).nonzero(as_tuple=True)
        inside, code = torch.arange(len(row)), self.tokens.code[item[row, place]]
        for level in range(1, self.n_levels):
            state = hidden[row, place * self.n_levels + level]
            losses.append(self.head.loss(state, level, inside, code[:, level]))
        return torch.stack(losses).mean()

    def speller(self, rows: Rows) -> Spelling:
        """What comes after each history, asked by a beam."""
        place = self.position(rows.length)[:, None]
        branches = Branches(self.decoder, self._inputs(rows.item), rows.length * self.n_levels)

        def embed(code: Tensor, level: int) -> Tensor:
            out: Tensor = self.tokens.of_level(code, level) + self.level[level] + place
            return out

        return Spelling(branches, embed, self.head)

    def _inputs(self, item: Tensor) -> Tensor:
        """int64 [B, T] -> [B, 1 + T * L, D]."""
        place = self.position(torch.arange(item.shape[1]).clamp(max=self.max_length))
        x = self.drop(self.tokens(item) + self.level + place[:, None])
        return torch.cat([self.start.expand(len(item), 1, -1), x.flatten(1, 2)], dim=1)


def with_newest_targets(batch: RowBatch) -> tuple[Tensor, Tensor]:
    """Rows with the basket that comes after them appended, where it is a target of the batch.

    Returns:
        int64 [B, T'], items, 0 past a row's end, and int64 [B], how many.
    """
    rows, width = batch.rows, batch.rows.item.shape[1] + 1
    row, seen = batch.cell // width, batch.cell % width
    row, newest = row[batch.target_query], (seen == rows.length[row])[batch.target_query]
    row, item = row[newest], batch.target_item[newest]
    n_new = torch.bincount(row, minlength=len(rows.item))
    ahead = n_new.cumsum(0) - n_new
    order = torch.argsort(row, stable=True)
    row, item = row[order], item[order]
    longer = nn.functional.pad(rows.item, (0, int(n_new.max())))
    longer[row, rows.length[row] + torch.arange(len(row)) - ahead[row]] = item
    length = rows.length + n_new
    return longer[:, : int(length.max())], length


class CodeLM(CodeRecommender[CodeLMConfig, CodeLMModule]):
    """The recommender."""

    family: ClassVar[str] = "code-lm"

    @staticmethod
    def build(config: CodeLMConfig, codes: CodeTable, content: Floats) -> CodeLMModule:
        """See `CodeRecommender.build`."""
        return CodeLMModule(config, codes)

    def answer(self, rows: Rows, k: int, allowed: Mask | None) -> Recommendations:
        """See `CodeRecommender.answer`."""
        speller = self.module.speller(rows)
        return stepwise_beam(speller, self.codes.trie, k, allowed, beam=max(self.config.beam, k))
