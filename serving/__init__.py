"""Serving: the Bento service, its schemas and its page; building, running and probing a Bento."""
