"""The two services: ingestion workers with their upload door, and the query API."""
