"""Trie-pointer: generates semantic IDs, and points at what a user had before."""
