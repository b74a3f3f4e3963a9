"""Chunks as rows: written whole for a version, then read by id, by document, or as a cache."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import chunks, embed_queue
from shared.identity import chunk_id, text_sha256
from shared.models import Chunk

# Rows of one INSERT: above a few hundred the gain is gone and memory grows.
SLICE = 500

CLEAR = text("DELETE FROM chunks WHERE version_id = :version_id")
INDEXES = text("SELECT id, space, ready FROM indexes WHERE collection_id = :collection_id")
READY = text("UPDATE indexes SET ready = true WHERE id = :id AND NOT ready")
# A chunk whose queue row is gone has had its point written to the store.
WRITTEN = "NOT EXISTS (SELECT FROM embed_queue q WHERE q.chunk_id = c.id)"
# Of equal texts any will do.
TWINS = text(f"""
SELECT DISTINCT ON (c.text_sha256) c.text_sha256, c.index_id, c.id
FROM chunks c JOIN indexes i ON i.id = c.index_id
WHERE c.tenant_id = :tenant_id AND i.space = :space AND c.text_sha256 = ANY(:hashes)
  AND {WRITTEN}
""")  # noqa: S608 - constants of this module only


@dataclass(frozen=True, slots=True)
class TargetIndex:
    """An index of a collection that new versions are written to."""

    id: UUID
    space: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose chunks these are."""

    tenant_id: str
    job_id: UUID
    document_id: UUID
    version_id: UUID


class Chunks:
    """The chunks' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def indexes(self, collection_id: UUID) -> list[TargetIndex]:
        """Return every index of a collection."""
        result = await self._connection.execute(INDEXES, {"collection_id": collection_id})
        return [TargetIndex(**row) for row in result.mappings()]

    async def index_is_ready(self, index_id: UUID) -> None:
        """Note that the vector store has made the index."""
        await self._connection.execute(READY, {"id": index_id})

    async def clear(self, version_id: UUID) -> None:
        """Remove what an earlier try wrote for this version, its queue rows too."""
        await self._connection.execute(CLEAR, {"version_id": version_id})

    async def queue(self, owner: Owner, index: TargetIndex, made: Iterable[Chunk]) -> int:
        """Insert chunks and their rows in the embed queue; return how many."""
        count = 0
        batch: list[Chunk] = []
        for chunk in made:
            batch.append(chunk)
            if len(batch) == SLICE:
                count += await self._queue(owner, index, batch)
                batch = []
        return count + await self._queue(owner, index, batch)

    async def twins(
        self, tenant_id: str, space: str, hashes: Sequence[bytes]
    ) -> dict[bytes, tuple[UUID, UUID]]:
        """Find embedded chunks of these very texts: text hash to (index, chunk)."""
        result = await self._connection.execute(
            TWINS, {"tenant_id": tenant_id, "space": space, "hashes": list(hashes)}
        )
        return {bytes(row.text_sha256): (row.index_id, row.id) for row in result}

    async def _queue(self, owner: Owner, index: TargetIndex, batch: list[Chunk]) -> int:
        if not batch:
            return 0
        rows = [_row(owner, index, chunk) for chunk in batch]
        await self._connection.execute(insert(chunks), rows)
        waiting = [
            {
                "chunk_id": row["id"],
                "tenant_id": owner.tenant_id,
                "job_id": owner.job_id,
                "index_id": index.id,
                "space": index.space,
                "tokens": row["tokens"],
            }
            for row in rows
        ]
        await self._connection.execute(insert(embed_queue), waiting)
        return len(batch)


def _row(owner: Owner, index: TargetIndex, chunk: Chunk) -> dict[str, Any]:
    return {
        "id": chunk_id(index.id, owner.version_id, chunk.ordinal),
        "tenant_id": owner.tenant_id,
        "index_id": index.id,
        "document_id": owner.document_id,
        "version_id": owner.version_id,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "tokens": chunk.tokens,
        "page_start": chunk.page_start,
        "page_end": chunk.page_end,
        "page_turns": [list(turn) for turn in chunk.page_turns],
        "section": list(chunk.section),
        "boxes": [box.model_dump() for box in chunk.boxes],
        "text_sha256": text_sha256(chunk.text),
    }
