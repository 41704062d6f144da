"""Evaluation: models asked about every query of a window, and what their lists are worth."""
