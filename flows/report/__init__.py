"""Report: one page per retraining that a manager can read."""
