"""Drift: how far the data, the semantic IDs and the champion moved since it learned."""
