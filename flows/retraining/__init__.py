"""Retraining: the parts of one run that `flows/retrain.py` puts in order."""
