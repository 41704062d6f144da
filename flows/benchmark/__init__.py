"""Benchmark: a comparison with papers as one command; tuned, fitted and asked piece by piece, resumable."""
