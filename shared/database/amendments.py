"""A new version of a document from parts that are parsed already: when what filters see changes.

Points carry the document's attributes, so new attributes need new points. The copy begins at its
chunk step: nothing is parsed again, and known texts take their vectors from the store.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events
from shared.database.jobs import CHANGED

# A job that is not embedding yet will read the new attributes by itself. After a failed or
# cancelled newest version the live one is copied. The job is locked, so that it stays as it is.
SOURCE = text("""
SELECT v.id, j.state FROM documents d
JOIN versions v ON v.document_id = d.id AND v.number = d.newest_version
JOIN jobs j ON j.version_id = v.id AND j.duplicate_of IS NULL
WHERE d.id = :document_id FOR UPDATE OF j
""")
LIVE = text("""
SELECT v.id FROM documents d
JOIN versions v ON v.document_id = d.id AND v.number = d.live_version
WHERE d.id = :document_id
""")
ADD_BATCH = text("""
INSERT INTO batches (id, tenant_id, collection_id, total)
SELECT :batch_id, tenant_id, collection_id, 1 FROM documents WHERE id = :document_id
""")
ADD_VERSION = text("""
WITH numbered AS (
    UPDATE documents d SET newest_version = newest_version + 1, newest_size = b.size
    FROM versions v JOIN blobs b ON b.id = v.blob_id
    WHERE v.id = :source_id AND d.id = v.document_id
    RETURNING d.newest_version
)
INSERT INTO versions (id, tenant_id, document_id, number, blob_id, media_type, options, parser,
                      pages)
SELECT :version_id, v.tenant_id, v.document_id, n.newest_version, v.blob_id, v.media_type,
       v.options, v.parser, v.pages
FROM versions v, numbered n WHERE v.id = :source_id
""")
ADD_JOB = text(f"""
INSERT INTO jobs (id, tenant_id, batch_id, collection_id, document_id, version_id, version,
                  filename, state, stage, parts_total, parts_left, pages_total, pages_done,
                  deadline)
SELECT :job_id, d.tenant_id, :batch_id, d.collection_id, d.id, :version_id, d.newest_version,
       d.name, 'parsing', 'chunk', p.parts, 0, coalesce(v.pages, 0), coalesce(v.pages, 0),
       now() + make_interval(secs => :deadline_s)
FROM documents d
JOIN versions v ON v.id = :source_id,
LATERAL (SELECT count(*) AS parts FROM parts WHERE version_id = :source_id) p
WHERE d.id = :document_id
{CHANGED}
""")  # noqa: S608 - a constant of another module
ADD_PARTS = text("""
INSERT INTO parts (version_id, number, tenant_id, job_id, page_start, page_end, state, elements,
                   warnings)
SELECT :version_id, number, tenant_id, :job_id, page_start, page_end, 'done', elements, warnings
FROM parts WHERE version_id = :source_id
""")

_EMBEDDED = ("embedding", "succeeded", "succeeded_with_warnings")
_WAITING = ("queued", "parsing")


@dataclass(frozen=True, slots=True)
class AmendedIds:
    """The ids of what an amendment adds."""

    batch_id: UUID
    version_id: UUID
    job_id: UUID


class Amendments:
    """An amendment's queries for one locked document, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection, document_id: UUID) -> None:
        """Take the transaction and the document, which the caller has locked."""
        self._connection = connection
        self._document_id = document_id

    async def source(self) -> UUID | None:
        """Return the version to copy; None when nothing is embedded that could be out of date."""
        mine = {"document_id": self._document_id}
        newest = (await self._connection.execute(SOURCE, mine)).one_or_none()
        if newest is None or newest.state in _WAITING:
            return None
        if newest.state in _EMBEDDED:
            return UUID(str(newest.id))
        return (await self._connection.execute(LIVE, mine)).scalar_one_or_none()

    async def copy(self, source_id: UUID, ids: AmendedIds, *, deadline_s: float) -> None:
        """Add a version with the same bytes and parts, and the job that brings it live."""
        parameters: dict[str, Any] = {
            "document_id": self._document_id,
            "source_id": source_id,
            "batch_id": ids.batch_id,
            "version_id": ids.version_id,
            "job_id": ids.job_id,
            "deadline_s": deadline_s,
        }
        await self._connection.execute(ADD_BATCH, parameters)
        await self._connection.execute(ADD_VERSION, parameters)
        added = await self._connection.execute(ADD_JOB, parameters)
        await self._connection.execute(ADD_PARTS, parameters)
        await Events(self._connection).add_job_events([dict(row) for row in added.mappings()])
