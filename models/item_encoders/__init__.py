"""Item encoders: an item's fields to a vector; no interaction needed."""
