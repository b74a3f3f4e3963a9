"""A queued chunk and its vector become a point; a batch's cost is shared out among its jobs."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from shared.database.embed_queue import Paid, QueuedChunk
from shared.vectors.base import Point, SparseVector

# The embedding cache's key within one space: whose text, and its hash.
TextKey = tuple[str, bytes]


def text_key(chunk: QueuedChunk) -> TextKey:
    """Return the cache key of a chunk's text."""
    return chunk.tenant_id, bytes(chunk.text_sha256)


def point_of(chunk: QueuedChunk, vector: Sequence[float], sparse: SparseVector) -> Point:
    """Return the point of a chunk: filter fields in the payload, never text."""
    return Point(
        id=chunk.chunk_id,
        dense=vector,
        sparse=sparse,
        payload={
            "tenant_id": chunk.tenant_id,
            "document_id": str(chunk.document_id),
            "version_id": str(chunk.version_id),
            "filename": chunk.filename,
            "media_type": chunk.media_type,
            "page": list(range(chunk.page_start, chunk.page_end + 1)),
            "created_at": chunk.created_at.isoformat(),
            "attributes": dict(chunk.attributes),
        },
    )


def shares(batch: Sequence[QueuedChunk], paid: AbstractSet[TextKey]) -> dict[UUID, Paid]:
    """Return what each job pays: its texts' tokens, a call if any was new, what was known.

    A text that stands twice in the batch is paid for by the chunk that comes first.
    """
    tokens: Counter[UUID] = Counter()
    cached: Counter[UUID] = Counter()
    unpaid = set(paid)
    for chunk in batch:
        if text_key(chunk) in unpaid:
            unpaid.discard(text_key(chunk))
            tokens[chunk.job_id] += chunk.tokens
        else:
            cached[chunk.job_id] += 1
    jobs = {chunk.job_id for chunk in batch}
    return {job: Paid(tokens[job], int(tokens[job] > 0), cached[job]) for job in jobs}
