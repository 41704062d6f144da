"""Tracking: runs, plots, progress and costs, for MLflow and for people."""
