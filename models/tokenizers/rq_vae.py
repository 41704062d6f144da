"""RQ-VAE: an auto-encoder whose latent is a sum of learned code vectors, coarse to fine.

The tokenizer of TIGER (Rajput et al. 2023, arXiv:2305.05065, section 3.1): encoder, residual quantisation,
decoder; reconstruction + codebook + commitment loss, gradient straight through the choice of codes, codebooks
started by k-means. Codes that nobody uses are put back among the residuals (Dhariwal et al. 2020,
arXiv:2005.00341, section 3.1). Departures: the auto-encoder is trained without quantisation first, so that
k-means starts in latents that mean something, and inputs are standardised.
Dims: I items, D vector size, Z latent size, L levels, K codes of a level, B rows of a batch.
"""

from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from data.interactions import Ints
from models.learning.training import TrainConfig, train
from models.recommender import Arrays, Config, Floats
from models.tokenizers.autoencoder import (
    Standardise,
    VectorBatches,
    arrays_of,
    double_copy,
    in_passes,
    load_arrays,
    mlp,
)
from models.tokenizers.clustering import n_distinct
from models.tokenizers.residual_kmeans import residual_books
from models.tokenizers.tokenizer import Tokenizer, checked

KMEANS_ROUNDS = 20
USE_MEMORY = 0.95
"""How slowly the counts of use forget, a step."""
DEAD_BELOW = 0.1
"""Share of the fair use below which a code counts as dead."""


class ResidualVAEConfig(Config):
    """Sizes and training of a residual quantised auto-encoder."""

    n_levels: int = Field(default=3, ge=1, le=8, description="L, levels before the collision digit.")
    codebook_size: int = Field(default=256, ge=2, le=65_536, description="K, codes of each level.")
    hidden: tuple[int, ...] = Field(
        default=(256, 128), description="Widths of the encoder; the decoder mirrors."
    )
    latent: int = Field(default=32, ge=1, description="Z.")
    commitment: float = Field(default=0.25, ge=0, description="Pull of the latents towards their codes.")
    batch_rows: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup_epochs: int = Field(default=10, ge=1, description="Epochs without quantisation.")
    epochs: int = Field(default=40, ge=1, description="Epochs with it.")

    def training(self, epochs: int) -> TrainConfig:
        """Settings of the fit loop."""
        return TrainConfig(epochs=epochs, learning_rate=self.learning_rate, weight_decay=0.0)


class RQVAEConfig(ResidualVAEConfig):
    """Sizes and training of the recipe."""

    kind: Literal["rq-vae"] = "rq-vae"


class Quantised:
    """A latent as a sum of code vectors.

    Attributes:
        codes: int64 [B, L].
        chosen: [L, B, Z], the code vectors, with the gradient to the codebooks.
        residuals: [L, B, Z], what each level was asked for, with the gradient to the latent.
    """

    def __init__(self, codes: Tensor, chosen: Tensor, residuals: Tensor) -> None:
        self.codes, self.chosen, self.residuals = codes, chosen, residuals


class ResidualVAE(nn.Module):
    """Encoder, codebooks, decoder."""

    use: Tensor

    def __init__(self, config: ResidualVAEConfig, size: int, n_codes: int) -> None:
        super().__init__()
        widths = [size, *config.hidden, config.latent]
        self.commitment = config.commitment
        self.quantising = False
        self.standardise = Standardise(size)
        self.encoder, self.decoder = mlp(widths), mlp(widths[::-1])
        self.codebooks = nn.Parameter(torch.zeros(config.n_levels, n_codes, config.latent))
        self.register_buffer("use", torch.ones(config.n_levels, n_codes), persistent=False)

    def latent(self, vectors: Tensor) -> Tensor:
        """[B, D] -> [B, Z]."""
        out: Tensor = self.encoder(self.standardise(vectors))
        return out

    def quantise(self, latent: Tensor) -> Quantised:
        """Nearest code vector, level by level: [B, Z]."""
        rest, codes, chosen, residuals = latent, [], [], []
        for book in self.codebooks:
            codes.append(_nearest(rest.detach(), book.detach()))
            chosen.append(functional.embedding(codes[-1], book))
            residuals.append(rest)
            rest = rest - chosen[-1].detach()
        return Quantised(torch.stack(codes, 1), torch.stack(chosen), torch.stack(residuals))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Squared errors: of the vector, and of the latent against its codes, both ways."""
        vectors = batch[0]
        latent = self.latent(vectors)
        if not self.quantising:
            return functional.mse_loss(self.decoder(latent), self.standardise(vectors))
        if self.training:
            self._revive(latent.detach())
        found = self.quantise(latent)
        through = latent + (found.chosen.sum(0) - latent).detach()
        rebuilt = functional.mse_loss(self.decoder(through), self.standardise(vectors))
        towards_latent = functional.mse_loss(found.chosen, found.residuals.detach())
        towards_codes = functional.mse_loss(found.chosen.detach(), found.residuals)
        return rebuilt + towards_latent + self.commitment * towards_codes + self.extra(batch, found, through)

    def extra(self, batch: tuple[Tensor, ...], found: Quantised, through: Tensor) -> Tensor | float:
        """What a recipe adds to the loss.

        Args:
            batch: as given to `loss`.
            found: codes of the batch.
            through: [B, Z], the quantised latent with the gradient to the encoder.
        """
        return 0.0

    def _revive(self, latent: Tensor) -> None:
        """Count the use of each code; put the dead ones where a random row of the batch is."""
        found = self.quantise(latent)
        for level, (use, book) in enumerate(zip(self.use, self.codebooks.data, strict=True)):
            counts = torch.bincount(found.codes[:, level], minlength=len(book))
            use.mul_(USE_MEMORY).add_(counts * (len(book) / len(latent)), alpha=1 - USE_MEMORY)
            dead = (use < DEAD_BELOW).nonzero()[:, 0]
            book[dead] = found.residuals[level][torch.randint(len(latent), (len(dead),))]
            use[dead] = 1.0


def _nearest(rows: Tensor, book: Tensor) -> Tensor:
    """int64 [B]; ties: smaller code."""
    return torch.addmm((book**2).sum(1), rows, book.T, alpha=-2).argmin(1)


class RQVAE(Tokenizer):
    """A fitted tokenizer; encodes in float64."""

    kind: ClassVar[str] = "rq-vae"

    def __init__(self, config: ResidualVAEConfig, module: ResidualVAE) -> None:
        self.config: ResidualVAEConfig = config
        self.weights = module.eval()
        self.module = double_copy(module)

    @classmethod
    def fit(cls, vectors: Floats, config: Any, *, seed: int, teacher: Floats | None = None) -> Self:
        """See `Tokenizer.fit`."""
        rows = checked(vectors)
        torch.manual_seed(seed)
        module = ResidualVAE(config, rows.shape[1], min(config.codebook_size, n_distinct(rows)))
        fit_module(module, config, rows, seed=seed)
        return cls(config, module)

    @property
    def sizes(self) -> tuple[int, ...]:
        """See `Tokenizer.sizes`."""
        return (self.module.codebooks.shape[1],) * self.config.n_levels

    def encode(self, vectors: Floats) -> Ints:
        """See `Tokenizer.encode`."""
        rows = checked(vectors, size=len(self.module.standardise.mean))
        with torch.inference_mode():
            latents = (self.module.latent(part) for part in in_passes(rows))
            return torch.cat([self.module.quantise(latent).codes for latent in latents]).numpy()

    def decode(self, codes: Ints) -> Floats:
        """See `Tokenizer.decode`."""
        level = torch.arange(codes.shape[1])
        with torch.inference_mode():
            latents = (self.module.codebooks[level, part].sum(1) for part in in_passes(codes))
            parts = [self.module.standardise.inverse(self.module.decoder(each)).float() for each in latents]
        return torch.cat(parts).numpy()

    def state(self) -> Arrays:
        """See `Tokenizer.state`; what only training needs is left out."""
        weights = arrays_of(self.weights)
        kept = ("standardise.", "encoder.", "decoder.", "codebooks")
        return {name: value for name, value in weights.items() if name.startswith(kept)}

    @classmethod
    def from_state(cls, config: Any, state: Arrays) -> Self:
        """See `Tokenizer.from_state`."""
        module = ResidualVAE(config, len(state["standardise.mean"]), state["codebooks"].shape[1])
        load_arrays(module, state)
        return cls(config, module)


def fit_module(module: ResidualVAE, config: ResidualVAEConfig, *arrays: Floats, seed: int) -> None:
    """Train in place: without quantisation, then from k-means on with it.

    Args:
        module: fresh.
        config: its settings.
        arrays: float32 [I, D] vectors, then what `module.extra` wants, aligned with them.
        seed: of shuffling, k-means and revival.
    """
    vectors, batches = arrays[0], VectorBatches(*arrays, batch_rows=config.batch_rows)
    module.standardise.fit(vectors)
    train(module, batches, config.training(config.warmup_epochs), seed=seed)
    with torch.inference_mode():
        latents = torch.cat([module.latent(part.float()) for part in in_passes(vectors)]).numpy()
    books = residual_books(latents, config.n_levels, module.codebooks.shape[1], KMEANS_ROUNDS, seed)
    module.codebooks.data.copy_(torch.from_numpy(books))
    module.quantising = True
    train(module, batches, config.training(config.epochs), seed=seed + 1)
