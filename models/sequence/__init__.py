"""Sequence: histories to hidden states; layouts, mixers, trunk."""
