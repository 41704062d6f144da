"""Tokenizers: item vectors to semantic IDs."""
