"""The OpenAI-compatible door to ingestion: its wire forms, translated to use cases and back."""
