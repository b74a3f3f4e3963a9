"""Chunks as rows: written whole for a version, then read by id, by document, or as a cache."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.columns import AGAIN
from shared.identity import chunk_id, text_sha256
from shared.models import Chunk

# Rows of one INSERT: above a few hundred the gain is gone and memory grows.
SLICE = 500

CLEAR = text("DELETE FROM chunks WHERE version_id = ANY(:versions)")
INDEXES = text("""
SELECT collection_id, id, space, chunker, ready FROM indexes
WHERE collection_id = ANY(:collections) AND leaving_at IS NULL
""")
# Keeps whoever gives a collection another index, or takes one, waiting; nobody else.
HOLD = text("""
SELECT FROM collections WHERE id = ANY(:collections) ORDER BY id FOR KEY SHARE
""")
# Arrays, not a statement a row: nothing is prepared behind a pooler.
QUEUE = text("""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:tenants AS text[]), CAST(:jobs AS uuid[]),
        CAST(:documents AS uuid[]), CAST(:versions AS uuid[]), CAST(:indexes AS uuid[]),
        CAST(:spaces AS text[]), CAST(:ordinals AS int[]), CAST(:texts AS text[]),
        CAST(:tokens AS int[]), CAST(:first_pages AS int[]), CAST(:last_pages AS int[]),
        CAST(:turns AS jsonb[]), CAST(:sections AS jsonb[]), CAST(:boxes AS jsonb[]),
        CAST(:hashes AS bytea[])
    ) WITH ORDINALITY AS g(id, tenant_id, job_id, document_id, version_id, index_id, space,
        ordinal, text, tokens, page_start, page_end, page_turns, section, boxes, text_sha256, place)
), made AS (
    INSERT INTO chunks (id, tenant_id, index_id, document_id, version_id, ordinal, text, tokens,
                        page_start, page_end, page_turns, section, boxes, text_sha256)
    SELECT id, tenant_id, index_id, document_id, version_id, ordinal, text, tokens, page_start,
           page_end, page_turns, ARRAY(SELECT jsonb_array_elements_text(section)), boxes,
           text_sha256
    FROM given
)
INSERT INTO embed_queue (chunk_id, tenant_id, job_id, index_id, space, tokens, seq)
SELECT id, tenant_id, job_id, index_id, space, tokens, nextval('embed_queue_seq') + :after
FROM given ORDER BY place
""")
READY = text("""
UPDATE indexes SET ready = true, analyser = :analyser WHERE id = :id AND NOT ready
""")
# Counts add up; two at once wait for each other's row.
SPEAK = text("""
UPDATE indexes SET languages = (
    SELECT jsonb_object_agg(language, chunks) FROM (
        SELECT key AS language, sum(value::bigint) AS chunks
        FROM (SELECT * FROM jsonb_each_text(languages)
              UNION ALL SELECT * FROM jsonb_each_text(CAST(:more AS jsonb))) AS each
        GROUP BY key
    ) AS summed
) WHERE id = :id
RETURNING languages
""")
# A chunk whose queue row is gone has had its point written to the store.
WRITTEN = "NOT EXISTS (SELECT FROM embed_queue q WHERE q.chunk_id = c.id)"
# One that is to be embedded again had, and its point may be there: then its vector is known.
# Of equal texts any will do, but best one whose point is surely there and stays.
TWINS = text(f"""
SELECT DISTINCT ON (c.text_sha256) c.text_sha256, c.index_id, c.id
FROM chunks c JOIN indexes i ON i.id = c.index_id
LEFT JOIN embed_queue q ON q.chunk_id = c.id
WHERE c.tenant_id = :tenant_id AND i.space = :space AND c.text_sha256 = ANY(:hashes)
  AND (q.seq IS NULL OR q.seq >= {AGAIN})
ORDER BY c.text_sha256, q.seq IS NOT NULL, i.leaving_at IS NOT NULL
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class TargetIndex:
    """An index of a collection that new versions are written to."""

    collection_id: UUID
    id: UUID
    space: str
    ready: bool
    chunker: str = "sections-1"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose chunks these are."""

    tenant_id: str
    job_id: UUID
    document_id: UUID
    version_id: UUID


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to write into one index."""

    owner: Owner
    index: TargetIndex
    chunk: Chunk


class Chunks:
    """The chunks' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def indexes(self, collections: Collection[UUID]) -> list[TargetIndex]:
        """Return every index of these collections that is not being removed."""
        result = await self._connection.execute(INDEXES, {"collections": list(collections)})
        return [TargetIndex(**row) for row in result.mappings()]

    async def hold_indexes(
        self, collections: Collection[UUID], known: Iterable[TargetIndex]
    ) -> bool:
        """Keep the collections' indexes as they are until the transaction ends.

        False when they are others by now than those `known`: what was cut for them is out of date.
        This lock comes before those of documents and jobs.
        """
        await self._connection.execute(HOLD, {"collections": list(collections)})
        # A statement of its own: one that waited would still see what was there before.
        now = await self.indexes(collections)
        return {index.id for index in now} == {index.id for index in known}

    async def index_is_ready(self, index_id: UUID, *, analyser: str) -> None:
        """Note that the vector store has made the index, and what makes its sparse terms."""
        await self._connection.execute(READY, {"id": index_id, "analyser": analyser})

    async def speak(self, index_id: UUID, chunks: Mapping[str, int]) -> Mapping[str, int]:
        """Add to an index how many more chunks have each language; return what it has now."""
        result = await self._connection.execute(SPEAK, {"id": index_id, "more": json.dumps(chunks)})
        # An index that is gone has none.
        return result.scalar_one_or_none() or {}

    async def clear(self, versions: Collection[UUID]) -> None:
        """Remove what an earlier try wrote for these versions, its queue rows too."""
        await self._connection.execute(CLEAR, {"versions": list(versions)})

    async def queue(self, made: Iterable[NewChunk], *, after: int = 0) -> int:
        """Insert chunks and their rows in the embed queue, in this order; return how many.

        With `after` = `AGAIN` they come after all new work, and no job counts them.
        """
        count, rest = 0, iter(made)
        while batch := list(islice(rest, SLICE)):
            await self._connection.execute(QUEUE, _columns(batch) | {"after": after})
            count += len(batch)
        return count

    async def twins(
        self, tenant_id: str, space: str, hashes: Sequence[bytes]
    ) -> dict[bytes, tuple[UUID, UUID]]:
        """Find embedded chunks of these very texts: text hash to (index, chunk)."""
        result = await self._connection.execute(
            TWINS, {"tenant_id": tenant_id, "space": space, "hashes": list(hashes)}
        )
        return {bytes(row.text_sha256): (row.index_id, row.id) for row in result}


def _columns(batch: Sequence[NewChunk]) -> dict[str, list[Any]]:
    chunks = [new.chunk for new in batch]
    return {
        "ids": [chunk_id(n.index.id, n.owner.version_id, n.chunk.ordinal) for n in batch],
        "tenants": [new.owner.tenant_id for new in batch],
        "jobs": [new.owner.job_id for new in batch],
        "documents": [new.owner.document_id for new in batch],
        "versions": [new.owner.version_id for new in batch],
        "indexes": [new.index.id for new in batch],
        "spaces": [new.index.space for new in batch],
        "ordinals": [chunk.ordinal for chunk in chunks],
        "texts": [chunk.text for chunk in chunks],
        "tokens": [chunk.tokens for chunk in chunks],
        "first_pages": [chunk.page_start for chunk in chunks],
        "last_pages": [chunk.page_end for chunk in chunks],
        "turns": [json.dumps(chunk.page_turns) for chunk in chunks],
        "sections": [json.dumps(chunk.section) for chunk in chunks],
        "boxes": [json.dumps([box.model_dump() for box in chunk.boxes]) for chunk in chunks],
        "hashes": [text_sha256(chunk.text) for chunk in chunks],
    }
