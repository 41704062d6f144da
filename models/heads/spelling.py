"""Spelling: a decoder's states as logits of the next code, asked level by level by a beam."""

from collections.abc import Callable

import torch
from torch import Tensor

from data.interactions import Ints
from models.heads.code_head import CodeHead
from models.recommender import Floats
from models.sequence.decoder import Branches


class Spelling:
    """A `decoding.stepwise.Speller` of Q queries."""

    def __init__(self, branches: Branches, embed: Callable[[Tensor, int], Tensor], head: CodeHead) -> None:
        """Start at the end of the stems.

        Args:
            branches: the decoder's, of Q queries; the item begins where their stems end.
            embed: (code, level) as an input of the decoder, int64 [Q, W] -> [Q, W, D].
            head: states to codes.
        """
        self.branches, self.embed, self.head = branches, embed, head
        self.level = 0

    def first(self) -> Floats:
        """See `Speller.first`."""
        return _array(self.head.logits(self.branches.hidden, 0))

    def then(self, source: Ints, code: Ints) -> Floats:
        """See `Speller.then`."""
        x = self.embed(torch.from_numpy(code), self.level)
        self.level += 1
        return _array(self.head.logits(self.branches.grow(x, torch.from_numpy(source)), self.level))


def _array(logits: Tensor) -> Floats:
    out: Floats = logits.numpy()
    return out
