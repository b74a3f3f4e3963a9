"""The names of chunkings: what an index was cut by, such as `sections-1` or `sections-1@400`."""

from services.ingest_worker.chunking.sizes import largest_chunk
from shared.errors import InvalidInput
from shared.models import EmbeddingSpace

# Written to each index: chunks of two chunkers are never mixed in one.
CHUNKER = "sections-1"
LEAST_TOKENS = 64


def chunker_name(space: EmbeddingSpace, chunk_tokens: int | None) -> str:
    """Name the chunking whose chunks have at most `chunk_tokens`; None is as the space suggests.

    Raises:
        InvalidInput: the space's model takes no chunks of that size.
    """
    most = largest_chunk(space)
    if chunk_tokens is None or chunk_tokens == most:
        return CHUNKER
    if not LEAST_TOKENS <= chunk_tokens <= most:
        raise InvalidInput(
            f"chunk_tokens: `{space.name}` takes {LEAST_TOKENS} to {most}, not {chunk_tokens}."
        )
    return f"{CHUNKER}@{chunk_tokens}"


def chunk_tokens_of(chunker: str) -> int | None:
    """Return the size a chunking names; None where it follows the space."""
    _, at, tokens = chunker.partition("@")
    return int(tokens) if at else None
