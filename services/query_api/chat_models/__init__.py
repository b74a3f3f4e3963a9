"""Models that write answers: port, adapters, the order they are asked in, scripted double."""
