"""Answers: requests to lists: translation, batches, the log; knows no HTTP."""
