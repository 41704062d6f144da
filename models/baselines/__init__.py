"""Baselines: what everyone must beat."""
