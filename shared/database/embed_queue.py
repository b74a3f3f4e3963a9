"""The embed queue: chunks to embed, pulled across documents; rows are deleted when done.

The one who takes a job's last chunk off the queue flips the live version and ends the job, in
that transaction. Locks are taken in one order everywhere: documents, jobs, queue rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events
from shared.database.jobs import CHANGED, END, TOUCH, Jobs

# Chunks of paused batches are held back. Those that wait when it is paused are marked so and in no
# index that is read here; what comes later is looked up row by row, which is little.
# The state is no condition: by stale statistics all open jobs would be looked through for each.
PAUSED = """
SELECT b.paused AND j.state = 'embedding' FROM jobs j JOIN batches b ON b.id = j.batch_id
WHERE j.id = job_id
"""
FREE = f"""
NOT held AND not_before <= now() AND (lease_until IS NULL OR lease_until < now())
AND ({PAUSED}) IS NOT TRUE
"""

# The spaces that have anything queued, found by skipping along the index: their number counts,
# not that of the chunks; then those of them that nobody parked.
OPEN_SPACES = """
WITH RECURSIVE queued AS (
    (SELECT space FROM embed_queue WHERE NOT held ORDER BY space LIMIT 1)
    UNION ALL
    SELECT (SELECT q.space FROM embed_queue q WHERE NOT q.held AND q.space > s.space
            ORDER BY q.space LIMIT 1)
    FROM queued s WHERE s.space IS NOT NULL
), open_spaces AS (
    SELECT s.space, p.space IS NOT NULL AS failing, p.until IS NOT NULL AS parked
    FROM queued s LEFT JOIN parked_spaces p ON p.space = s.space
    WHERE s.space IS NOT NULL AND (p.until IS NULL OR p.until <= now())
)
"""
WAITING = text(f"""
{OPEN_SPACES}, oldest AS (
    SELECT s.*, head.seq FROM open_spaces s CROSS JOIN LATERAL (
        SELECT seq FROM embed_queue WHERE space = s.space AND {FREE} ORDER BY seq LIMIT 1
    ) head ORDER BY head.seq LIMIT 1
)
SELECT o.space, o.failing, o.parked, r.chunks, r.tokens FROM oldest o CROSS JOIN LATERAL (
    SELECT count(*) AS chunks, coalesce(sum(tokens), 0) AS tokens FROM (
        SELECT tokens FROM embed_queue WHERE space = o.space AND {FREE} ORDER BY seq LIMIT :most
    ) q
) r
""")  # noqa: S608
CLAIM = text(f"""
WITH ready AS (
    SELECT chunk_id, tokens, seq FROM embed_queue
    WHERE space = :space AND {FREE}
    ORDER BY seq LIMIT :inputs FOR UPDATE SKIP LOCKED
), fitting AS (
    SELECT chunk_id FROM (
        SELECT chunk_id, tokens, sum(tokens) OVER (ORDER BY seq) AS upto FROM ready
    ) r WHERE upto <= :tokens OR upto = tokens
)
UPDATE embed_queue q
SET claim = :claim, lease_until = now() + make_interval(secs => :lease_s), attempts = attempts + 1
FROM fitting f
JOIN chunks c ON c.id = f.chunk_id
JOIN documents d ON d.id = c.document_id
JOIN versions v ON v.id = c.version_id
WHERE q.chunk_id = f.chunk_id
RETURNING q.chunk_id, q.job_id, q.tenant_id, q.index_id, q.space, q.tokens, q.attempts, c.text,
    c.text_sha256, c.document_id, c.version_id, c.page_start, c.page_end, d.name AS filename,
    d.attributes, v.media_type, d.created_at
""")  # noqa: S608 - constants of this module only
RENEW = text("""
UPDATE embed_queue SET lease_until = now() + make_interval(secs => :lease_s) WHERE claim = :claim
""")
RELEASE = text("""
UPDATE embed_queue
SET claim = NULL, lease_until = NULL, not_before = now() + make_interval(secs => :delay_s),
    attempts = attempts - :uncounted
WHERE claim = :claim AND chunk_id = ANY(:chunks)
""")
EXPIRE = text("""
UPDATE embed_queue SET claim = NULL, lease_until = NULL WHERE lease_until < now()
""")
READY = text(f"""
{OPEN_SPACES}
SELECT count(*) FROM open_spaces s CROSS JOIN LATERAL (
    SELECT FROM embed_queue WHERE space = s.space AND {FREE} LIMIT :most
) q
""")  # noqa: S608
LOCK_DOCUMENTS = text("""
SELECT id FROM documents WHERE id = ANY(:ids) ORDER BY id FOR UPDATE
""")
TAKE_OFF = text("""
WITH gone AS (
    DELETE FROM embed_queue WHERE claim = :claim AND chunk_id = ANY(:chunks) RETURNING job_id
) SELECT job_id, count(*) AS chunks FROM gone GROUP BY job_id
""")
# Whoever claimed them.
QUEUED_OF = text("""
SELECT q.job_id, c.document_id FROM embed_queue q JOIN chunks c ON c.id = q.chunk_id
WHERE q.chunk_id = ANY(:chunks)
""")
TAKE_AWAY = text("""
WITH gone AS (DELETE FROM embed_queue WHERE chunk_id = ANY(:chunks) RETURNING job_id)
SELECT job_id, count(*) AS chunks FROM gone GROUP BY job_id
""")
COUNT_DOWN = text(f"""
UPDATE jobs j
SET chunks_left = chunks_left - n.chunks, {TOUCH}, waiting_for = NULL,
    usage = jsonb_build_object(
        'tokens', coalesce((usage->>'tokens')::int, 0) + n.tokens,
        'provider_calls', coalesce((usage->>'provider_calls')::int, 0) + n.calls,
        'cached', coalesce((usage->>'cached')::int, 0) + n.cached),
    timings = timings || jsonb_build_object(
        'embed', coalesce((timings->>'embed')::float, 0) + :embed_ms,
        'index', coalesce((timings->>'index')::float, 0) + :index_ms)
FROM unnest(
    CAST(:jobs AS uuid[]), CAST(:chunks AS int[]), CAST(:tokens AS int[]),
    CAST(:calls AS int[]), CAST(:cached AS int[])
) AS n(job_id, chunks, tokens, calls, cached)
WHERE j.id = n.job_id AND j.state = 'embedding' {CHANGED}, chunks_left
""")  # noqa: S608
# A chunk that is embedded again has a job that ended: what it takes is added to that job's usage.
ADD_USAGE = text("""
UPDATE jobs j
SET usage = jsonb_build_object(
        'tokens', coalesce((usage->>'tokens')::int, 0) + n.tokens,
        'provider_calls', coalesce((usage->>'provider_calls')::int, 0) + n.calls,
        'cached', coalesce((usage->>'cached')::int, 0) + n.cached)
FROM unnest(
    CAST(:jobs AS uuid[]), CAST(:tokens AS int[]), CAST(:calls AS int[]), CAST(:cached AS int[])
) AS n(job_id, tokens, calls, cached)
WHERE j.id = n.job_id AND j.finished_at IS NOT NULL
""")
FLIP = text("""
UPDATE documents d SET live_version = n.version, updated_at = now()
FROM (SELECT document_id, max(version) AS version FROM jobs WHERE id = ANY(:ids)
      GROUP BY document_id) n
WHERE d.id = n.document_id AND d.deleted_at IS NULL
  AND coalesce(d.live_version, 0) < n.version
""")
# What may leave something to bury: a version that was late, or one that replaced another.
REPLACING = text("""
SELECT j.id, d.live_version IS DISTINCT FROM j.version AS late
FROM jobs j JOIN documents d ON d.id = j.document_id
WHERE j.id = ANY(:ids) AND (j.version > 1 OR d.live_version IS DISTINCT FROM j.version)
""")
WARN = text("""
UPDATE jobs SET warnings = warnings || CAST(:warning AS jsonb) WHERE id = ANY(:ids)
""")
FINISH = text(f"""
UPDATE jobs
SET state = CASE warnings WHEN '[]' THEN 'succeeded' ELSE 'succeeded_with_warnings' END,
    stage = 'index', stage_at = now(), {END},
    timings = timings || jsonb_build_object(
        'total', round(1000 * extract(epoch FROM now() - created_at)))
WHERE id = ANY(:ids) AND state = 'embedding' {CHANGED}
""")  # noqa: S608
# What is no longer, or never was, the live version goes to be removed.
BURY = text("""
INSERT INTO tombstones (id, tenant_id, index_id, document_id, version_id, until)
SELECT DISTINCT ON (c.index_id, c.version_id) gen_random_uuid(), c.tenant_id, c.index_id,
       c.document_id, c.version_id, now() + make_interval(secs => :grace_s)
FROM jobs j
JOIN documents d ON d.id = j.document_id
JOIN versions v ON v.document_id = d.id AND v.number < coalesce(d.live_version, j.version + 1)
JOIN chunks c ON c.version_id = v.id
WHERE j.id = ANY(:ids) AND (j.version > 1 OR d.live_version IS DISTINCT FROM j.version)
ON CONFLICT (index_id, version_id) DO NOTHING
""")
UNFINISHED = text("""
SELECT j.id, j.document_id FROM jobs j
WHERE j.state = 'embedding' AND j.updated_at < now() - make_interval(secs => :after_s)
  AND NOT EXISTS (SELECT FROM embed_queue q WHERE q.job_id = j.id)
LIMIT 100
""")

SUPERSEDED_WARNING = {
    "code": "superseded",
    "detail": "A newer version went live first, or the document was deleted.",
    "page": None,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits longest: its space, and how much of that may be claimed at once.

    `failing`: the provider failed lately; `parked`: so often that only one claim may try it.
    """

    space: str
    failing: bool
    parked: bool
    chunks: int
    tokens: int


@dataclass(frozen=True, slots=True)
class QueuedChunk:
    """A claimed chunk with all that its point needs."""

    chunk_id: UUID
    job_id: UUID
    tenant_id: str
    index_id: UUID
    space: str
    tokens: int
    attempts: int
    text: str
    text_sha256: bytes
    document_id: UUID
    version_id: UUID
    page_start: int
    page_end: int
    filename: str
    attributes: Mapping[str, Any]
    media_type: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Paid:
    """What embedding cost one job in one claim."""

    tokens: int = 0
    calls: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Took:
    """How long the stages of one claim took; each of its jobs spent that time in them."""

    embed_ms: int = 0
    index_ms: int = 0


NO_TIME = Took()


class EmbedQueue:
    """The queue's queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def waiting(self, *, most: int) -> Waiting | None:
        """Return what has waited longest, counted up to `most` chunks; None when nothing waits."""
        row = (await self._connection.execute(WAITING, {"most": most})).mappings().one_or_none()
        return None if row is None else Waiting(**row)

    async def claim(
        self, space: str, *, claim: UUID, inputs: int, tokens: int, lease_s: float
    ) -> list[QueuedChunk]:
        """Take the oldest chunks of one space, up to `inputs` texts and `tokens` tokens."""
        limits = {"space": space, "inputs": inputs, "tokens": tokens}
        result = await self._connection.execute(
            CLAIM, limits | {"claim": claim, "lease_s": lease_s}
        )
        return [QueuedChunk(**row) for row in result.mappings()]

    async def renew(self, claim: UUID, *, lease_s: float) -> int:
        """Extend the lease of what is still claimed; return how many rows that is."""
        result = await self._connection.execute(RENEW, {"claim": claim, "lease_s": lease_s})
        return result.rowcount

    async def release(
        self, claim: UUID, chunk_ids: Sequence[UUID], *, delay_s: float, counted: bool = True
    ) -> None:
        """Give chunks back, to be tried again after `delay_s`."""
        parameters = {
            "claim": claim,
            "chunks": list(chunk_ids),
            "delay_s": delay_s,
            "uncounted": int(not counted),
        }
        await self._connection.execute(RELEASE, parameters)

    async def expire(self) -> int:
        """Take back chunks whose lease ran out; return how many."""
        return (await self._connection.execute(EXPIRE)).rowcount

    async def ready(self, *, most: int) -> int:
        """Count the chunks that may be claimed now, up to `most` of each space."""
        return int((await self._connection.execute(READY, {"most": most})).scalar_one())

    async def complete(
        self,
        claim: UUID,
        done: Sequence[QueuedChunk],
        paid: Mapping[UUID, Paid],
        *,
        grace_s: float,
        took: Took = NO_TIME,
    ) -> None:
        """Take embedded chunks off the queue; end the jobs that have none left."""
        await self._lock({c.document_id for c in done}, {c.job_id for c in done})
        chunk_ids = [chunk.chunk_id for chunk in done]
        result = await self._connection.execute(TAKE_OFF, {"claim": claim, "chunks": chunk_ids})
        taken = {row.job_id: row.chunks for row in result}
        await self._count_down(taken, paid, took, grace_s=grace_s)

    async def take_away(self, chunk_ids: Sequence[UUID], *, grace_s: float) -> int:
        """Take chunks of an index that goes off the queue, whoever claimed them; return how many.

        The jobs that have none left end: they are in the index that stays.
        """
        chunks = {"chunks": list(chunk_ids)}
        queued = (await self._connection.execute(QUEUED_OF, chunks)).all()
        if not queued:
            return 0
        await self._lock({row.document_id for row in queued}, {row.job_id for row in queued})
        result = await self._connection.execute(TAKE_AWAY, chunks)
        taken = {row.job_id: row.chunks for row in result}
        await self._count_down(taken, {}, NO_TIME, grace_s=grace_s)
        return sum(taken.values())

    async def drop(self, claim: UUID, chunk_ids: Sequence[UUID]) -> None:
        """Take chunks off the queue that no job is to count."""
        await self._connection.execute(TAKE_OFF, {"claim": claim, "chunks": list(chunk_ids)})

    async def finish_forgotten(self, *, after_s: float, grace_s: float) -> int:
        """End embedding jobs that have nothing queued any more; return how many."""
        result = await self._connection.execute(UNFINISHED, {"after_s": after_s})
        rows = result.all()
        await self._lock({row.document_id for row in rows}, {row.id for row in rows})
        await self._finish([row.id for row in rows], grace_s=grace_s)
        return len(rows)

    async def _count_down(
        self,
        taken: Mapping[UUID, int],
        paid: Mapping[UUID, Paid],
        took: Took,
        *,
        grace_s: float,
    ) -> None:
        """Count locked jobs down by what was taken off; end those that have none left."""
        if not taken:
            return
        costs = [paid.get(job_id, Paid()) for job_id in taken]
        usage = {
            "jobs": list(taken),
            "tokens": [cost.tokens for cost in costs],
            "calls": [cost.calls for cost in costs],
            "cached": [cost.cached for cost in costs],
        }
        await self._connection.execute(ADD_USAGE, usage)
        counted = await self._connection.execute(
            COUNT_DOWN,
            usage
            | {
                "chunks": list(taken.values()),
                "embed_ms": took.embed_ms,
                "index_ms": took.index_ms,
            },
        )
        rows = [dict(row) for row in counted.mappings()]
        ended = [row["id"] for row in rows if row["chunks_left"] == 0]
        moved = [row for row in rows if row["chunks_left"] > 0]
        await Events(self._connection).add_job_events(moved)
        await self._finish(ended, grace_s=grace_s)

    async def _lock(self, documents: set[UUID], jobs: set[UUID]) -> None:
        await self._connection.execute(LOCK_DOCUMENTS, {"ids": list(documents)})
        await Jobs(self._connection).lock(jobs)

    async def _finish(self, job_ids: Sequence[UUID], *, grace_s: float) -> None:
        if not job_ids:
            return
        ids = {"ids": list(job_ids)}
        await self._connection.execute(FLIP, ids)
        replacing = (await self._connection.execute(REPLACING, ids)).all()
        late = [row.id for row in replacing if row.late]
        if late:
            warning = json.dumps([SUPERSEDED_WARNING])
            await self._connection.execute(WARN, {"ids": late, "warning": warning})
        if replacing:
            bury = {"ids": [row.id for row in replacing], "grace_s": grace_s}
            await self._connection.execute(BURY, bury)
        finished = await self._connection.execute(FINISH, ids)
        await Events(self._connection).add_job_events([dict(row) for row in finished.mappings()])
