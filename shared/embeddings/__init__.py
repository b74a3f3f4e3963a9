"""Texts to vectors and to sparse terms: port, adapters, registry of spaces, double."""
