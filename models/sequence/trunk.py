"""Trunk: a stack of mixers, each followed by a position-wise network, with norms before both."""

from collections.abc import Callable

from torch import Tensor, nn


class Block(nn.Module):
    """x + mixer(norm(x)), then x + network(norm(x)) (pre-norm transformer block)."""

    def __init__(self, mixer: nn.Module, d_model: int, dropout: float) -> None:
        super().__init__()
        self.mixer = mixer
        self.norm_mixer = nn.LayerNorm(d_model)
        self.norm_network = nn.LayerNorm(d_model)
        self.network = nn.Sequential(
            nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * d_model, d_model)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        x = x + self.drop(self.mixer(self.norm_mixer(x)))
        out: Tensor = x + self.drop(self.network(self.norm_network(x)))
        return out


class Trunk(nn.Module):
    """`n_blocks` blocks and a last norm; causal if its mixers are."""

    def __init__(
        self, make_mixer: Callable[[], nn.Module], *, n_blocks: int, d_model: int, dropout: float
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(make_mixer(), d_model, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out
