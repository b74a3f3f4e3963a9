"""The OpenAI-compatible door to search and answers: its wire forms, to use cases and back."""
