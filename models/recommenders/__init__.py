"""Recommenders: one recipe a file or folder, each a readable assembly of the parts around it."""
