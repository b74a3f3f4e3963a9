"""Builds the vector store that the settings name."""

from shared.settings import QdrantSettings
from shared.vectors.base import VectorStore
from shared.vectors.qdrant import QdrantVectorStore


def build_vector_store(settings: QdrantSettings, *, most_s: float = float("inf")) -> VectorStore:
    """Build the store at `settings.url`; nothing connects before its first use.

    No call takes longer than the settings say, or than `most_s` seconds.
    """
    key = settings.api_key
    return QdrantVectorStore(
        settings.url,
        api_key=key.get_secret_value() if key else None,
        timeout_s=min(settings.timeout_s, most_s),
    )
