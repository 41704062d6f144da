"""Synthetic source: the planted cycle, for smoke runs."""

from data.sources.config import SyntheticConfig
from data.synthetic import planted_tables
from data.tables import Tables


def load(config: SyntheticConfig) -> Tables:
    """Tables of `planted_tables` with the config's settings."""
    return planted_tables(
        config.n_users,
        config.n_items,
        config.length,
        config.noise,
        config.seed,
        repeats=config.repeats,
    )
