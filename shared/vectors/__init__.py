"""The vector store: its port, the Qdrant adapter and the in-memory double."""
