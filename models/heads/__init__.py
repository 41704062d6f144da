"""Heads: hidden states to scores."""
