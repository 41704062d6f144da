"""Access: who may ask, how much and how often; the log and the counts of it."""
