"""Live catalogue: items added, changed and hidden while the service answers; versions that can be undone."""
