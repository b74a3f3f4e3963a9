"""A hit's relevance in [0, 1]: out of ten hits that have 0.7, about seven are judged relevant."""
