"""Which of the claimed chunks one request holds: a provider also bounds a request's bytes."""

from collections.abc import Sequence

from shared.database.embed_queue import QueuedChunk

# No provider tells its bound; 100,000 tokens of prose are 0.5 MB, of blanks ten times as much.
MOST_BYTES = 4 * 1024 * 1024


def within(
    batch: Sequence[QueuedChunk], most_bytes: int = MOST_BYTES
) -> tuple[list[QueuedChunk], list[QueuedChunk]]:
    """Cut a batch in what one request may hold, at least one chunk, and the rest."""
    size = 0
    for count, chunk in enumerate(batch):
        size += len(chunk.text.encode())
        if count and size > most_bytes:
            return list(batch[:count]), list(batch[count:])
    return list(batch), []
