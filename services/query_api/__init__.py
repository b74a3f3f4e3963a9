"""The query service: retrieval and cited answers; light: no Celery, no parsers."""
