"""Ingestion: the upload door, the dispatcher, and the workers that parse, chunk and embed."""
