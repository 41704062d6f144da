"""Learning: how weights and settings are found; the fit loop, its processes, device and memory."""
