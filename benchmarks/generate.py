"""Generate: constrained beam search by Hugging Face's `generate` over the same semantic IDs, for comparison.

As open re-implementations of TIGER (Rajput et al. 2023, arXiv:2305.05065) serve it: a T5 that reads the codes
of the history and is only let to spell items. Its weights are random. Two sizes: one layer each, the least
that can be called a T5, and the one of the paper.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from data.interactions import Interactions
from models.tokenizers.code_table import CodeTable

PAD, END = 0, 1


@dataclass(frozen=True, slots=True)
class Size:
    """Layers of encoder and decoder, widths of model, heads and feed-forward part, newest events read."""

    n_layers: int
    d_model: int
    n_heads: int
    d_head: int
    d_feed_forward: int
    n_events: int


SMALLEST = Size(1, 64, 2, 32, 128, 50)
PUBLISHED = Size(4, 128, 6, 64, 1024, 20)  # Rajput et al. 2023, section 4, implementation details


def generator(codes: CodeTable, k: int, size: Size = SMALLEST) -> Callable[[Interactions], object]:
    """A function that spells the k best items of each history with a beam of k.

    Args:
        codes: semantic IDs of the catalogue.
        k: beams, and lists' length.
        size: of the T5.
    """
    starts = 2 + np.concatenate([[0], np.cumsum(codes.sizes[:-1])])
    tokens = codes.codes + starts
    model = _t5(int(2 + sum(codes.sizes)), size)
    following = _following(tokens)

    def run(histories: Interactions) -> object:
        newest = histories.last(size.n_events)
        asked = [tokens[newest.history(row)].ravel() for row in range(newest.n_users)]
        width = max(1, max(len(row) for row in asked))
        ids = torch.full((len(asked), width), PAD)
        for row, each in zip(ids, asked, strict=True):
            row[: len(each)] = torch.from_numpy(each)
        with torch.inference_mode():
            return model.generate(
                ids,
                attention_mask=(ids != PAD).long(),
                num_beams=k,
                num_return_sequences=k,
                max_new_tokens=codes.n_levels,
                min_new_tokens=codes.n_levels,
                prefix_allowed_tokens_fn=lambda _, spelled: following[tuple(spelled[1:].tolist())],
                do_sample=False,
            )

    return run


def _t5(n_tokens: int, size: Size) -> Any:
    """A T5 with random weights."""
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=n_tokens,
        d_model=size.d_model,
        d_kv=size.d_head,
        d_ff=size.d_feed_forward,
        num_layers=size.n_layers,
        num_decoder_layers=size.n_layers,
        num_heads=size.n_heads,
        pad_token_id=PAD,
        eos_token_id=END,
        decoder_start_token_id=PAD,  # type: ignore[call-arg]
    )
    return T5ForConditionalGeneration(config).eval()


def _following(tokens: np.ndarray) -> dict[tuple[int, ...], list[int]]:
    """The tokens that continue each prefix to some item; the end where it is whole."""
    found: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for row in tokens.tolist():
        for level, token in enumerate(row):
            found[tuple(row[:level])].add(token)
    return defaultdict(lambda: [END], {prefix: sorted(tokens) for prefix, tokens in found.items()})
