"""Data: what happened, in order. Sources, snapshots, splits, sequences; knows no model."""
