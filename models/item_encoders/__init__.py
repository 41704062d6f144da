"""Item encoders: an item's fields to a vector; what needs interactions says so."""
