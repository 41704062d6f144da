"""Record: what was promoted, refused and answered, and whether the stores agree."""
