"""Reranking: the best hits of a search, each read again together with the question."""
