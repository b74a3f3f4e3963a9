"""The query service: retrieval and cited answers; light, it never imports the ingestion libraries."""
