"""Mixers: [B, T, D] to [B, T, D], each position seeing itself and what came before."""
