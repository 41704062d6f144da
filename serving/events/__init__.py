"""Feedback: what users did with what they were shown: taken, kept, looked up, counted and forgotten."""
