"""Door: what comes in and goes out over HTTP: who may, what a body may say, the page."""
