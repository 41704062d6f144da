"""Recommenders: one recipe a file, each a readable assembly of the parts around it."""
