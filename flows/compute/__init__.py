"""Compute: processes of this machine or of a cluster that work on one thing together."""
