"""Decoding: scores to lists of real, allowed items."""
