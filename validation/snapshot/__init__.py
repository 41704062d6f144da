"""Snapshot: what the data must look like before anything learns from them, and what leaks."""
