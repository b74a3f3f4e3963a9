"""A written sentence and the passages it points to in; whether they say it, and where, out."""
