"""Retrying ended jobs: reopened where they stopped, or begun anew with other options.

Many at once cost what one does where they only go on: a statement a table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events
from shared.database.jobs import CHANGED, TOUCH
from shared.database.parts import Parts
from shared.errors import Conflict, NotFound
from shared.identity import new_id

LOCK_DOCUMENTS = text("""
SELECT id FROM documents
WHERE id IN (SELECT document_id FROM jobs WHERE id = ANY(:ids)) AND deleted_at IS NULL
ORDER BY id FOR UPDATE
""")
LOCK = text("""
SELECT j.id, j.state, j.version_id, j.tenant_id, v.options,
       j.version = d.newest_version AS newest
FROM jobs j
JOIN documents d ON d.id = j.document_id AND d.deleted_at IS NULL
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
JOIN versions v ON v.id = j.version_id
WHERE j.id = ANY(:ids) ORDER BY j.id FOR UPDATE OF j
""")
FAILED = text("""
SELECT id FROM jobs
WHERE state = 'failed'
  AND (CAST(:after AS uuid) IS NULL OR id > :after)
  AND (CAST(:batch AS uuid) IS NULL OR batch_id = :batch)
  AND (CAST(:collection_id AS uuid) IS NULL OR collection_id = :collection_id)
  AND (CAST(:code AS text) IS NULL OR problem_code = :code)
  AND (CAST(:retryable AS boolean) IS NULL OR retryable = :retryable)
ORDER BY id LIMIT :limit
""")
NEW_VERSION = text("""
WITH numbered AS (
    UPDATE documents d SET newest_version = newest_version + 1, newest_size = b.size
    FROM versions v JOIN blobs b ON b.id = v.blob_id
    WHERE v.id = :version_id AND d.id = v.document_id
    RETURNING d.newest_version
)
INSERT INTO versions (id, tenant_id, document_id, number, blob_id, options)
SELECT :new_id, v.tenant_id, v.document_id, n.newest_version, v.blob_id,
       v.options || CAST(:options AS jsonb)
FROM versions v, numbered n WHERE v.id = :version_id
RETURNING number
""")
FIRST_PART = text("""
INSERT INTO parts (version_id, number, tenant_id, job_id) VALUES (:new_id, 0, :tenant_id, :id)
""")
FRESH = f"""
    problem = NULL, waiting_for = NULL, warnings = '[]', timings = '{{}}', attempts = 0,
    chunks_total = 0, chunks_left = 0, finished_at = NULL, published_at = NULL, claim = NULL,
    lease_until = NULL, not_before = now(), stage_at = now(), fence = fence + 1,
    deadline = now() + make_interval(secs => :deadline_s), {TOUCH}
"""
REOPEN = text(f"""
UPDATE jobs j
SET parts_left = open.parts, {FRESH},
    state = CASE open.parts WHEN 0 THEN 'parsing' ELSE 'queued' END,
    stage = CASE open.parts WHEN 0 THEN 'chunk' ELSE 'parse' END
FROM (SELECT one.id AS job_id, (SELECT count(*) FROM parts p
                                WHERE p.version_id = one.version_id AND p.state <> 'done') AS parts
      FROM jobs one WHERE one.id = ANY(:ids)) open
WHERE j.id = open.job_id {CHANGED}
""")  # noqa: S608 - constants of this module only
RESTART = text(f"""
UPDATE jobs
SET version_id = :new_id, version = :number, state = 'queued', stage = 'parse', {FRESH},
    parts_total = 1, parts_left = 1, pages_total = 0, pages_done = 0, usage = '{{}}'
WHERE id = :id {CHANGED}
""")  # noqa: S608

_ENDED_BADLY = ("failed", "cancelled")


@dataclass(frozen=True, slots=True)
class FailedFilter:
    """Which failed jobs; None lets all through. `code` and `retryable` are the problem's."""

    batch: UUID | None = None
    collection_id: UUID | None = None
    code: str | None = None
    retryable: bool | None = None


@dataclass(frozen=True, slots=True)
class _Ended:
    """A locked job; `newest` while its document has no later version."""

    id: UUID
    state: str
    version_id: UUID
    tenant_id: str
    options: Mapping[str, Any]
    newest: bool

    def differs(self, options: Mapping[str, Any]) -> bool:
        return any(self.options.get(name) != value for name, value in options.items())


class Retries:
    """Reopens ended jobs, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection, *, deadline_s: float) -> None:
        """Take the transaction; what is reopened has `deadline_s` from now."""
        self._connection = connection
        self._deadline_s = deadline_s

    async def failed(
        self, wanted: FailedFilter, *, after: UUID | None = None, limit: int
    ) -> list[UUID]:
        """Return up to `limit` failed jobs, oldest first, after the id `after`."""
        parameters = {name: getattr(wanted, name) for name in wanted.__slots__}
        result = await self._connection.execute(
            FAILED, parameters | {"after": after, "limit": limit}
        )
        return list(result.scalars())

    async def retry(self, job_id: UUID, *, options: Mapping[str, Any] | None = None) -> None:
        """Reopen a failed or cancelled job: same id, revision up, attempts 0.

        A failed job goes on from its last good step. With other options, or after a cancel (whose
        work is being removed), it begins anew as a new version of the same bytes.

        Raises:
            NotFound: there is no such job, or its document is deleted.
            Conflict: the job has not failed and is not cancelled.
        """
        locked = await self._lock([job_id])
        if not locked:
            raise NotFound(f"There is no job {job_id}.")
        state = locked[0].state
        if state not in _ENDED_BADLY:
            raise Conflict(f"Job {job_id} is {state}; only failed and cancelled jobs retry.")
        await self._open(locked, options or {})

    async def retry_all(
        self, job_ids: Sequence[UUID], *, options: Mapping[str, Any] | None = None
    ) -> int:
        """Reopen those of these jobs that still can be; return how many.

        Passed over are jobs that are open or well by now, that are gone, and whose document has a
        newer version: opened again they would bring nothing, or old bytes back.
        """
        locked = [job for job in await self._lock(job_ids) if job.newest]
        wanted = [job for job in locked if job.state in _ENDED_BADLY]
        await self._open(wanted, options or {})
        return len(wanted)

    async def _lock(self, job_ids: Sequence[UUID]) -> list[_Ended]:
        ids = {"ids": list(job_ids)}
        await self._connection.execute(LOCK_DOCUMENTS, ids)
        result = await self._connection.execute(LOCK, ids)
        return [_Ended(**row) for row in result.mappings()]

    async def _open(self, jobs: Sequence[_Ended], options: Mapping[str, Any]) -> None:
        anew = [job for job in jobs if job.state == "cancelled" or job.differs(options)]
        for job in anew:
            await self._restart(job, options)
        going_on = [job.id for job in jobs if job not in anew]
        if going_on:
            await Parts(self._connection).reopen(going_on)
            await self._note(REOPEN, {"ids": going_on})

    async def _restart(self, job: _Ended, options: Mapping[str, Any]) -> None:
        parameters: dict[str, Any] = {
            "id": job.id,
            "tenant_id": job.tenant_id,
            "version_id": job.version_id,
            "new_id": new_id(),
            "options": json.dumps(dict(options)),
        }
        version = await self._connection.execute(NEW_VERSION, parameters)
        parameters["number"] = version.scalar_one()
        await self._connection.execute(FIRST_PART, parameters)
        await self._note(RESTART, parameters)

    async def _note(self, statement: TextClause, parameters: dict[str, Any]) -> None:
        result = await self._connection.execute(
            statement, parameters | {"deadline_s": self._deadline_s}
        )
        await Events(self._connection).add_job_events([dict(row) for row in result.mappings()])
