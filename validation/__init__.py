"""Validation: what is checked. Snapshots, drift, the evaluation of models, and the gates before production."""
