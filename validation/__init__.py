"""Validation: what is checked. Data expectations, leakage, metrics, significance, gates, parity."""
