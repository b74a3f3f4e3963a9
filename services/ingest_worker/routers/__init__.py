"""HTTP's door to the ingest service: routes that parse, call one use case and answer."""
