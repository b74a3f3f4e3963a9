"""The embed step: queued chunks to vectors, vectors to points."""
