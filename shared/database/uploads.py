"""What one upload writes: documents, versions, jobs and their first parts, a statement a table.

A thousand files take as many statements as one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events

# Names share 64 locks a collection: one lock a name would fill Postgres's lock table. Taken in one
# order, so that uploads of the same names queue up instead of waiting for each other.
LOCK_NAMES = text("""
SELECT pg_advisory_xact_lock(hashtextextended(:collection_id, slot)) FROM (
    SELECT DISTINCT (hashtextextended(name, 0) & 63) AS slot
    FROM unnest(CAST(:names AS text[])) AS n(name) ORDER BY slot
) slots
""")
LOCK_DOCUMENTS = text("""
SELECT id FROM documents WHERE id IN (
    SELECT DISTINCT ON (name) id FROM documents
    WHERE collection_id = :collection_id AND name = ANY(:names) AND deleted_at IS NULL
      AND file_id IS NULL
    ORDER BY name, id DESC
) AND deleted_at IS NULL ORDER BY id FOR UPDATE
""")
# What is made of a kept file has that file's bytes alone, whatever comes under its name.
LOCK_OF_FILES = text("""
SELECT id FROM documents
WHERE collection_id = :collection_id AND file_id = ANY(:files) AND deleted_at IS NULL
ORDER BY id FOR UPDATE
""")
LOCK_DOCUMENT = text("SELECT id FROM documents WHERE id = :id AND deleted_at IS NULL FOR UPDATE")
# A statement of its own: it sees what was committed while the locks were waited for.
NEWEST = text("""
SELECT d.id AS document_id, d.name, d.attributes, d.newest_version AS version, b.sha256,
       v.options - 'password' AS options, v.id AS version_id, j.id AS job_id, j.state AS job_state,
       d.file_id
FROM documents d
JOIN versions v ON v.document_id = d.id AND v.number = d.newest_version
JOIN blobs b ON b.id = v.blob_id
JOIN LATERAL (
    SELECT id, state FROM jobs WHERE version_id = v.id AND duplicate_of IS NULL
    ORDER BY id DESC LIMIT 1
) j ON true
WHERE d.id = ANY(:ids) AND d.deleted_at IS NULL
""")
ADD_BATCH = text("""
INSERT INTO batches (id, tenant_id, collection_id, total)
VALUES (:id, :tenant_id, :collection_id, :total)
""")
GROW_BATCH = text("""
UPDATE batches SET total = total + :jobs WHERE id = :id RETURNING total
""")
ADD_DOCUMENTS = text("""
INSERT INTO documents (id, tenant_id, collection_id, name, attributes, newest_version, newest_size,
                       file_id)
SELECT id, :tenant_id, :collection_id, name, attributes, version, size, file_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
     AS r(id uuid, name text, attributes jsonb, version int, size bigint, file_id uuid)
""")
RAISE_DOCUMENTS = text("""
UPDATE documents d
SET newest_version = r.version, newest_size = r.size, attributes = r.attributes, updated_at = now()
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
     AS r(id uuid, attributes jsonb, version int, size bigint)
WHERE d.id = r.id
""")
ADD_VERSIONS = text("""
INSERT INTO versions (id, tenant_id, document_id, number, blob_id, options)
SELECT id, :tenant_id, document_id, number, blob_id, CAST(:options AS jsonb)
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
     AS r(id uuid, document_id uuid, number int, blob_id uuid)
""")
ADD_JOBS = text("""
INSERT INTO jobs (id, tenant_id, batch_id, collection_id, document_id, version_id, version,
                  filename, duplicate_of, state, stage, parts_total, parts_left, deadline,
                  finished_at, depth, origin)
SELECT id, :tenant_id, :batch_id, :collection_id, document_id, version_id, version,
       filename, duplicate_of,
       CASE WHEN duplicate_of IS NULL THEN 'queued' ELSE 'succeeded' END,
       CASE WHEN duplicate_of IS NULL THEN 'parse' ELSE 'receive' END,
       (duplicate_of IS NULL)::int, (duplicate_of IS NULL)::int,
       now() + make_interval(secs => :deadline_s),
       CASE WHEN duplicate_of IS NULL THEN NULL ELSE now() END, :depth, CAST(:origin AS uuid)
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
     AS r(id uuid, document_id uuid, version_id uuid, version int, filename text,
          duplicate_of uuid)
RETURNING id, tenant_id, batch_id, state, stage, revision
""")
# Part 0 without pages: the worker that claims it makes the part plan first.
ADD_PARTS = text("""
INSERT INTO parts (version_id, number, tenant_id, job_id, bulk, alone)
SELECT j.version_id, 0, j.tenant_id, j.id, :bulk, b.size > :small
FROM jobs j JOIN versions v ON v.id = j.version_id JOIN blobs b ON b.id = v.blob_id
WHERE j.id = ANY(:jobs) AND j.duplicate_of IS NULL
""")

# Files of a batch up to this size go before those of larger ones.
SMALL_BATCH = 20
# Files up to this size are parsed several to a message.
SMALL_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Newest:
    """A document and its newest version, with the job that ingests or ingested it."""

    document_id: UUID
    name: str
    attributes: Mapping[str, Any]
    version: int
    sha256: bytes
    options: Mapping[str, Any]
    version_id: UUID
    job_id: UUID
    job_state: str
    file_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to add, or one whose newest version rises to `version`, of `size` bytes.

    `file_id` is the kept file it is made of, if it is.
    """

    id: UUID
    name: str
    attributes: Mapping[str, Any]
    version: int
    size: int
    file_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to add."""

    id: UUID
    document_id: UUID
    number: int
    blob_id: UUID


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add: queued, or ended at once as a duplicate of another job."""

    id: UUID
    document_id: UUID
    version_id: UUID
    version: int
    filename: str
    duplicate_of: UUID | None


@dataclass(frozen=True, slots=True)
class UploadRows:
    """Everything an upload adds; `raised` are documents that were there before."""

    batch_id: UUID
    documents: Sequence[NewDocument]
    raised: Sequence[NewDocument]
    versions: Sequence[NewVersion]
    jobs: Sequence[NewJob]


@dataclass(frozen=True, slots=True)
class Inside:
    """Where a file came from that was inside others: how many, and the outermost one's job."""

    depth: int = 0
    origin: UUID | None = None


class Uploads:
    """An upload's queries for one collection, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection, *, tenant_id: str, collection_id: UUID) -> None:
        """Take the transaction and whose collection it is."""
        self._connection = connection
        self._tenant_id = tenant_id
        self._collection_id = collection_id

    async def newest(self, names: Sequence[str]) -> dict[str, Newest]:
        """Lock these names and return the documents that have them, each as it is now.

        No other upload changes a document of these names until the transaction ends. Of several
        documents with one name the youngest counts.
        """
        parameters = {"collection_id": str(self._collection_id), "names": list(names)}
        await self._connection.execute(LOCK_NAMES, parameters)
        locked = await self._connection.execute(
            LOCK_DOCUMENTS, parameters | {"collection_id": self._collection_id}
        )
        rows = await self._connection.execute(NEWEST, {"ids": list(locked.scalars())})
        return {row["name"]: Newest(**row) for row in rows.mappings()}

    async def newest_of_files(self, file_ids: Sequence[UUID]) -> dict[str, Newest]:
        """Lock the documents made of these kept files; return them by the files' ids, as text.

        The files must be locked: nobody else may make documents of them meanwhile.
        """
        locked = await self._connection.execute(
            LOCK_OF_FILES, {"collection_id": self._collection_id, "files": list(file_ids)}
        )
        rows = await self._connection.execute(NEWEST, {"ids": list(locked.scalars())})
        return {str(row["file_id"]): Newest(**row) for row in rows.mappings()}

    async def newest_of(self, document_id: UUID) -> Newest | None:
        """Lock a document and return it as it is now; None when it is not there or deleted."""
        await self._connection.execute(LOCK_DOCUMENT, {"id": document_id})
        rows = await self._connection.execute(NEWEST, {"ids": [document_id]})
        row = rows.mappings().one_or_none()
        return None if row is None else Newest(**row)

    async def add(self, rows: UploadRows, *, options: Mapping[str, Any], deadline_s: float) -> None:
        """Insert a batch with all its rows; `options` hold for each version."""
        await self._connection.execute(
            ADD_BATCH,
            {
                "id": rows.batch_id,
                "tenant_id": self._tenant_id,
                "collection_id": self._collection_id,
                "total": len(rows.jobs),
            },
        )
        await self._add_rows(rows, options, deadline_s)
        await self._add_parts(rows, bulk=len(rows.jobs) > SMALL_BATCH)

    async def grow(
        self, rows: UploadRows, *, options: Mapping[str, Any], deadline_s: float, inside: Inside
    ) -> None:
        """Add rows to a batch that is there, and tell its followers."""
        await self._add_rows(rows, options, deadline_s, inside)
        # Jobs before their batch, as everywhere.
        grown = await self._connection.execute(
            GROW_BATCH, {"id": rows.batch_id, "jobs": len(rows.jobs)}
        )
        await self._add_parts(rows, bulk=grown.scalar_one() > SMALL_BATCH)
        await Events(self._connection).add_batch_event(self._tenant_id, rows.batch_id)

    async def _add_rows(
        self,
        rows: UploadRows,
        options: Mapping[str, Any],
        deadline_s: float,
        inside: Inside = Inside(),
    ) -> None:
        await self._write(ADD_DOCUMENTS, rows.documents, collection_id=self._collection_id)
        await self._write(RAISE_DOCUMENTS, rows.raised)
        await self._write(ADD_VERSIONS, rows.versions, options=json.dumps(dict(options)))
        await self._add_jobs(rows, deadline_s, inside)

    async def _add_jobs(self, rows: UploadRows, deadline_s: float, inside: Inside) -> None:
        if not rows.jobs:
            return
        added = await self._connection.execute(
            ADD_JOBS,
            {
                "rows": _json(rows.jobs),
                "tenant_id": self._tenant_id,
                "batch_id": rows.batch_id,
                "collection_id": self._collection_id,
                "deadline_s": deadline_s,
                "depth": inside.depth,
                "origin": inside.origin,
            },
        )
        await Events(self._connection).add_job_events([dict(row) for row in added.mappings()])

    async def _add_parts(self, rows: UploadRows, *, bulk: bool) -> None:
        jobs = [job.id for job in rows.jobs]
        await self._connection.execute(
            ADD_PARTS, {"jobs": jobs, "bulk": bulk, "small": SMALL_BYTES}
        )

    async def _write(self, statement: TextClause, rows: Sequence[Any], **extra: Any) -> None:
        if rows:
            parameters = {"rows": _json(rows), "tenant_id": self._tenant_id} | extra
            await self._connection.execute(statement, parameters)


def _json(rows: Sequence[Any]) -> str:
    return json.dumps(
        [{name: getattr(row, name) for name in row.__slots__} for row in rows], default=str
    )
