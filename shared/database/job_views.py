"""Jobs and chunks as they are read: shown, listed, waited for. Their changes are elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A space that is parked says so on every job that has chunks in it, by one row.
PARKED = """
SELECT jsonb_build_object('kind', p.kind, 'code', p.code, 'detail', p.detail, 'until',
    to_char(p.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
FROM embed_queue q JOIN parked_spaces p ON p.space = q.space
WHERE q.job_id = jobs.id AND jobs.state = 'embedding' AND p.until IS NOT NULL LIMIT 1
"""
COLUMNS = f"""
id, document_id, batch_id, version, filename, duplicate_of, state, stage, revision,
pages_total, pages_done, chunks_total, chunks_left, attempts, problem,
coalesce(({PARKED}), waiting_for) AS waiting_for,
warnings, timings, usage, created_at, updated_at, stage_at, finished_at, now() AS read_at,
(SELECT b.paused FROM batches b WHERE b.id = batch_id) AS paused
"""  # noqa: S608 - a constant of this module
SHOWN = f"SELECT {COLUMNS} FROM jobs"  # noqa: S608
BY_ID = text(f"{SHOWN} WHERE id = :id")
LISTED = text(f"""
{SHOWN}
WHERE (CAST(:after AS uuid) IS NULL OR id > :after)
  AND (CAST(:batch AS uuid) IS NULL OR batch_id = :batch)
  AND (CAST(:state AS text) IS NULL OR state = :state)
  AND (CAST(:code AS text) IS NULL OR problem_code = :code)
  AND (CAST(:retryable AS boolean) IS NULL OR retryable = :retryable)
  AND (CAST(:collection_id AS uuid) IS NULL OR collection_id = :collection_id)
ORDER BY id LIMIT :limit
""")
PROGRESS = text("SELECT id, state, revision FROM jobs WHERE id = ANY(:ids)")
# In the dispatcher's order. A part whose message is out waits for no other.
AHEAD = text("""
SELECT count(*) FROM (
    SELECT FROM parts m
    JOIN parts p ON p.tenant_id = m.tenant_id AND p.state = 'queued' AND p.published_at IS NULL
      AND (p.bulk, p.created_at, p.version_id, p.number)
        < (m.bulk, m.created_at, m.version_id, m.number)
    JOIN jobs j ON j.id = p.job_id JOIN batches b ON b.id = j.batch_id AND NOT b.paused
    WHERE m.job_id = :id AND m.number = 0 AND m.state = 'queued' AND m.published_at IS NULL
    LIMIT :most
) q
""")
# When the first of its work that was put off is tried again.
NEXT_TRY = text("""
SELECT min(at) FROM (
    SELECT not_before AS at FROM parts WHERE job_id = :id AND state = 'queued'
    UNION ALL
    SELECT not_before FROM jobs WHERE id = :id AND stage = 'chunk' AND claim IS NULL
    UNION ALL
    SELECT min(not_before) FROM embed_queue WHERE job_id = :id AND claim IS NULL
) t WHERE at > now()
""")
# The newest that ended well: work goes in the order it came, so these ended last.
RATE = text("""
SELECT count(*) / greatest(1, extract(epoch FROM now() - min(finished_at)))::float AS rate
FROM (
    SELECT finished_at FROM jobs
    WHERE tenant_id = (SELECT tenant_id FROM jobs WHERE id = :id) AND state = 'succeeded'
      AND duplicate_of IS NULL
    ORDER BY id DESC LIMIT :most
) newest WHERE finished_at > now() - make_interval(secs => :within_s)
""")
LIVE_CHUNKS = """
SELECT c.id, c.document_id, v.number AS version, c.ordinal, c.text, c.tokens, c.page_start,
       c.page_end, c.section, c.boxes
FROM chunks c
JOIN versions v ON v.id = c.version_id
JOIN documents d ON d.id = c.document_id AND d.deleted_at IS NULL AND d.live_version = v.number
JOIN collections k ON k.id = d.collection_id AND k.deleted_at IS NULL
"""
CHUNKS = text(f"""
{LIVE_CHUNKS}
WHERE c.document_id = :document_id AND c.index_id = k.active_index
  AND c.ordinal > :after ORDER BY c.ordinal LIMIT :limit
""")
# The chunk asked for may be of either index; its neighbours are of the same.
NEIGHBOURHOOD = text(f"""
{LIVE_CHUNKS}
JOIN chunks m ON m.id = :id AND m.version_id = c.version_id AND m.index_id = c.index_id
WHERE c.ordinal BETWEEN m.ordinal - :neighbours AND m.ordinal + :neighbours
ORDER BY c.ordinal
""")


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it is; `read_at` is the database's clock, `paused` its batch's."""

    id: UUID
    document_id: UUID
    batch_id: UUID
    version: int
    filename: str
    duplicate_of: UUID | None
    state: str
    stage: str
    revision: int
    pages_total: int
    pages_done: int
    chunks_total: int
    chunks_left: int
    attempts: int
    waiting_for: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    warnings: Sequence[Mapping[str, Any]]
    timings: Mapping[str, Any]
    usage: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    stage_at: datetime
    finished_at: datetime | None
    read_at: datetime
    paused: bool


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None lets all through. `code` and `retryable` are the problem's."""

    batch: UUID | None = None
    state: str | None = None
    code: str | None = None
    retryable: bool | None = None
    collection_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk of a live version as it is shown."""

    id: UUID
    document_id: UUID
    version: int
    ordinal: int
    text: str
    tokens: int
    page_start: int
    page_end: int
    section: Sequence[str]
    boxes: Sequence[Mapping[str, Any]]


class JobViews:
    """The tenant's jobs, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def by_id(self, job_id: UUID) -> JobRow | None:
        """Return a job; None when there is none."""
        result = await self._connection.execute(BY_ID, {"id": job_id})
        row = result.mappings().one_or_none()
        return None if row is None else JobRow(**row)

    async def progress(self, job_ids: Sequence[UUID]) -> dict[UUID, tuple[str, int]]:
        """Return jobs' states and revisions: all that waiting callers need."""
        result = await self._connection.execute(PROGRESS, {"ids": list(job_ids)})
        return {row.id: (row.state, row.revision) for row in result}

    async def listed(self, wanted: JobFilter, *, after: UUID | None, limit: int) -> list[JobRow]:
        """Return up to `limit` jobs, oldest first, after the id `after`."""
        parameters = {name: getattr(wanted, name) for name in wanted.__slots__}
        result = await self._connection.execute(
            LISTED, parameters | {"after": after, "limit": limit}
        )
        return [JobRow(**row) for row in result.mappings()]

    async def ahead(self, job_id: UUID, *, most: int) -> int:
        """Count what the dispatcher takes before a queued job of its tenant, up to `most`."""
        result = await self._connection.execute(AHEAD, {"id": job_id, "most": most})
        return int(result.scalar_one())

    async def next_try(self, job_id: UUID) -> datetime | None:
        """Return when work of the job that was put off is tried again; None when none was."""
        return (await self._connection.execute(NEXT_TRY, {"id": job_id})).scalar_one_or_none()

    async def rate(self, job_id: UUID, *, within_s: float, most: int) -> float:
        """Return how many jobs a second ended lately for this job's tenant; 0 for none.

        Args:
            job_id: any job of the tenant.
            within_s: how far back to look.
            most: of so many of the newest.
        """
        parameters = {"id": job_id, "within_s": within_s, "most": most}
        return float((await self._connection.execute(RATE, parameters)).scalar_one())


class ChunkViews:
    """The chunks of live versions, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def listed(self, document_id: UUID, *, after: int | None, limit: int) -> list[ChunkRow]:
        """Return up to `limit` chunks of a document in order, after the ordinal `after`."""
        result = await self._connection.execute(
            CHUNKS,
            {
                "document_id": document_id,
                "after": -1 if after is None else after,
                "limit": limit,
            },
        )
        return [ChunkRow(**row) for row in result.mappings()]

    async def around(self, chunk_id: UUID, *, neighbours: int) -> list[ChunkRow]:
        """Return a chunk with up to `neighbours` on either side, in order; none when it is gone."""
        result = await self._connection.execute(
            NEIGHBOURHOOD, {"id": chunk_id, "neighbours": neighbours}
        )
        return [ChunkRow(**row) for row in result.mappings()]
