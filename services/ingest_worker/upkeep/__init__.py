"""Upkeep: what is found by looking and put right: swept, buried, compared, mended, rebuilt."""
