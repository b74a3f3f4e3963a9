"""Bulk loading: folders in, a few bounded uploads at a time, every file accounted for."""
