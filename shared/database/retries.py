"""Retrying an ended job: reopened where it stopped, or begun anew with other options."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events
from shared.database.jobs import CHANGED, TOUCH
from shared.database.parts import Parts
from shared.errors import Conflict, NotFound
from shared.identity import new_id

LOCK_DOCUMENT = text("""
SELECT d.id FROM documents d JOIN jobs j ON j.document_id = d.id
WHERE j.id = :id AND d.deleted_at IS NULL FOR UPDATE OF d
""")
LOCK = text("SELECT state, version_id, tenant_id FROM jobs WHERE id = :id FOR UPDATE")
NEW_VERSION = text("""
WITH numbered AS (
    UPDATE documents d SET newest_version = newest_version + 1
    FROM versions v WHERE v.id = :version_id AND d.id = v.document_id
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
FROM (SELECT count(*) FILTER (WHERE state <> 'done') AS parts FROM parts
      WHERE version_id = :version_id) open
WHERE j.id = :id {CHANGED}
""")  # noqa: S608 - constants of this module only
RESTART = text(f"""
UPDATE jobs
SET version_id = :new_id, version = :number, state = 'queued', stage = 'parse', {FRESH},
    parts_total = 1, parts_left = 1, pages_total = 0, pages_done = 0, usage = '{{}}'
WHERE id = :id {CHANGED}
""")  # noqa: S608


class Retries:
    """Reopens ended jobs, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def retry(
        self, job_id: UUID, *, options: Mapping[str, Any] | None = None, deadline_s: float
    ) -> None:
        """Reopen a failed or cancelled job: same id, revision up, attempts 0.

        A failed job goes on from its last good step. With other options, or after a cancel (whose
        work is being removed), it begins anew as a new version of the same bytes.

        Raises:
            NotFound: there is no such job, or its document is deleted.
            Conflict: the job has not failed and is not cancelled.
        """
        shown = (await self._connection.execute(LOCK_DOCUMENT, {"id": job_id})).one_or_none()
        row = (await self._connection.execute(LOCK, {"id": job_id})).one_or_none()
        if shown is None or row is None:
            raise NotFound(f"There is no job {job_id}.")
        if row.state not in ("failed", "cancelled"):
            raise Conflict(f"Job {job_id} is {row.state}; only failed and cancelled jobs retry.")
        parameters = {"id": job_id, "version_id": row.version_id, "deadline_s": deadline_s}
        if row.state == "cancelled" or options:
            await self._restart(parameters | {"tenant_id": row.tenant_id}, options or {})
        else:
            await Parts(self._connection).reopen(job_id)
            await self._note(REOPEN, parameters)

    async def _restart(self, parameters: dict[str, Any], options: Mapping[str, Any]) -> None:
        parameters["new_id"] = new_id()
        version = await self._connection.execute(
            NEW_VERSION, parameters | {"options": json.dumps(dict(options))}
        )
        parameters["number"] = version.scalar_one()
        await self._connection.execute(FIRST_PART, parameters)
        await self._note(RESTART, parameters)

    async def _note(self, statement: TextClause, parameters: dict[str, Any]) -> None:
        result = await self._connection.execute(statement, parameters)
        await Events(self._connection).add_job_events([dict(row) for row in result.mappings()])
