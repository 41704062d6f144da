"""Validation: snapshots, their drift, the evaluation of models, and the gates before production."""
