"""Flows: what happens in which order, and who keeps the record.

Prefect, MLflow, Optuna and the command line live here and nowhere else.
"""
