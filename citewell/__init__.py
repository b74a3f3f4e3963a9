"""What a user imports and types: the client, the command line, the embedded stack, the samples."""
