"""Counting and cutting text in a space's own tokens, offline: chunks are sized by it."""
