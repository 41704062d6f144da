"""LETTER: an RQ-VAE whose codes also tell who is bought by the same people, and that uses all of them alike.

Wang et al. 2024, arXiv:2405.07314, sections 3.2 and 3.3: an alignment loss ties the quantised latent of an
item to its collaborative vector against the others of the batch, a diversity loss pulls a code towards the
codes of its own group, groups of equal size being found by constrained k-means. Departures: vectors of the
teacher are of any size, so a linear map comes between; both sides are normalised and compared at a
temperature, which frees the weight from the teacher's scale; the collision digit takes the place of the
Sinkhorn assignment of the last level.
Dims: I items, Z latent size, C size of the teacher's vectors, L levels, K codes, B rows of a batch.
"""

from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional

from data.interactions import Ints
from models.item_encoders.collaborative import CollaborativeConfig
from models.recommender import Floats
from models.tokenizers.clustering import kmeans, n_distinct
from models.tokenizers.rq_vae import RQVAE, Quantised, ResidualVAE, ResidualVAEConfig, fit_module
from models.tokenizers.tokenizer import checked

GROUPING_ROUNDS = 10


class LetterConfig(ResidualVAEConfig):
    """Sizes and training of the recipe."""

    kind: Literal["letter"] = "letter"
    n_levels: int = Field(default=4, ge=1, le=8, description="L, levels before the collision digit.")
    alignment: float = Field(default=0.1, ge=0, description="Weight of the alignment with the teacher.")
    temperature: float = Field(default=0.1, gt=0, description="Of the alignment.")
    diversity: float = Field(default=1e-4, ge=0, description="Weight of the even use of codes.")
    n_groups: int = Field(default=10, ge=1, description="Groups of codes of a level.")
    regroup_steps: int = Field(default=100, ge=1, description="Training steps between two groupings.")
    teacher: CollaborativeConfig = Field(
        default=CollaborativeConfig(), description="Where the flow takes the teacher's vectors from."
    )


class LetterModule(ResidualVAE):
    """An RQ-VAE with two more losses; a batch is vectors [B, D] and teacher's vectors [B, C]."""

    group: Tensor

    def __init__(self, config: LetterConfig, size: int, n_codes: int, teacher_size: int) -> None:
        super().__init__(config, size, n_codes)
        self.settings, self.steps = config, 0
        self.to_teacher = nn.Linear(config.latent, teacher_size)
        self.register_buffer(
            "group", torch.zeros(config.n_levels, n_codes, dtype=torch.long), persistent=False
        )

    def extra(self, batch: tuple[Tensor, ...], found: Quantised, through: Tensor) -> Tensor | float:
        """See `ResidualVAE.extra`: alignment and diversity, weighted."""
        if self.steps % self.settings.regroup_steps == 0:
            for group, book in zip(self.group, self.codebooks.data, strict=True):
                group.copy_(torch.from_numpy(equal_groups(book.numpy(), self.settings.n_groups)))
        self.steps += 1
        aligned = alignment(self.to_teacher(through), batch[1], self.settings.temperature)
        levels = zip(found.chosen, found.codes.T, self.codebooks, self.group, strict=True)
        diverse = torch.stack([diversity(*level) for level in levels]).mean()
        return self.settings.alignment * aligned + self.settings.diversity * diverse


def alignment(ours: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding the own teacher vector in the batch (equation 4): two times [B, C].

    An item whose teacher vector is zero, as one without events has, is nobody's partner.
    """
    known = teacher.abs().sum(1) > 0
    mine, theirs = (functional.normalize(rows[known], dim=1) for rows in (ours, teacher))
    if not len(mine):
        return ours.sum() * 0.0
    return functional.cross_entropy(mine @ theirs.T / temperature, torch.arange(len(mine)))


def diversity(chosen: Tensor, code: Tensor, book: Tensor, group: Tensor) -> Tensor:
    """Cross-entropy of a random other code of the own group, the own code left out (equation 5).

    Args:
        chosen: [B, Z], code vectors of the batch.
        code: int64 [B], which they are.
        book: [K, Z].
        group: int64 [K].
    """
    others = (group[code][:, None] == group) & (code[:, None] != torch.arange(len(book)))
    some = others.any(1)
    if not bool(some.any()):
        return chosen.sum() * 0.0
    partner = torch.multinomial(others[some].float(), 1)[:, 0]
    logits = chosen[some] @ book.T
    own = functional.one_hot(code[some], len(book)).bool()
    return functional.cross_entropy(logits.masked_fill(own, -torch.inf), partner)


def equal_groups(book: Floats, n_groups: int) -> Ints:
    """Group of each code, at most K / n_groups codes (rounded up) in each: int64 [K].

    Centres by k-means, then the cheapest assignment with so many places at each centre.
    """
    n = min(n_groups, n_distinct(book))
    centres = kmeans(book, n, iterations=GROUPING_ROUNDS, seed=0, starts=1)
    cost = ((book[:, None] - centres) ** 2).sum(-1)
    places = np.repeat(np.arange(n), -(-len(book) // n))
    _, taken = linear_sum_assignment(cost[:, places])
    group: Ints = places[taken].astype(np.int64)
    return group


class Letter(RQVAE):
    """A fitted tokenizer; the teacher is needed to fit it, not to use it."""

    kind: ClassVar[str] = "letter"

    @classmethod
    def fit(cls, vectors: Floats, config: Any, *, seed: int, teacher: Floats | None = None) -> Self:
        """See `Tokenizer.fit`."""
        rows = checked(vectors)
        theirs = _checked_teacher(teacher, len(rows))
        torch.manual_seed(seed)
        n_codes = min(config.codebook_size, n_distinct(rows))
        module = LetterModule(config, rows.shape[1], n_codes, theirs.shape[1])
        fit_module(module, config, rows, theirs, seed=seed)
        return cls(config, module)


def _checked_teacher(teacher: Floats | None, n_items: int) -> Floats:
    if teacher is None or teacher.ndim != 2 or len(teacher) != n_items or not np.isfinite(teacher).all():
        came = (
            "none" if teacher is None else f"{list(teacher.shape)}, all finite: {np.isfinite(teacher).all()}"
        )
        raise ValueError(
            f"letter needs a finite teacher vector for each of the {n_items} items, but got {came}: give "
            "collaborative vectors (item_encoders/collaborative.py), or choose rq-vae."
        )
    return np.ascontiguousarray(teacher, dtype=np.float32)
