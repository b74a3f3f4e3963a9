"""Models that write answers: port, OpenAI adapter, scripted double."""
