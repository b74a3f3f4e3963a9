"""Jobs' transitions up to embedding: start, plan, count parts down, chunk, fail, cancel, retry.

Every transition raises the revision and leaves an event in the same transaction.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events
from shared.models import Problem, WaitingFor

CHANGED = "RETURNING id, tenant_id, batch_id, state, stage, revision"
OPEN = "state IN ('queued', 'parsing', 'embedding')"
TOUCH = "revision = revision + 1, updated_at = now()"
END = f"{TOUCH}, finished_at = now(), waiting_for = NULL, claim = NULL, lease_until = NULL"


def add_ms(stage: str, parameter: str) -> str:
    """Return SQL that adds a parameter's milliseconds to one stage of `timings`."""
    old = f"coalesce((timings->>'{stage}')::float, 0)"
    return f"timings = jsonb_set(timings, '{{{stage}}}', to_jsonb({old} + :{parameter}))"


START = text(f"""
UPDATE jobs
SET state = 'parsing', {TOUCH}, waiting_for = NULL, stage_at = now(),
    timings = jsonb_set(timings, '{{queued}}', to_jsonb(
        round(1000 * extract(epoch FROM now() - created_at))))
WHERE id = ANY(:ids) AND state = 'queued' {CHANGED}
""")  # noqa: S608 - constants of this module only
LOCK = text("SELECT id FROM jobs WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
PLAN = text(f"""
UPDATE jobs SET parts_total = :parts, parts_left = :parts, pages_total = :pages, {TOUCH}
WHERE id = :id AND state = 'parsing' {CHANGED}
""")  # noqa: S608
UNPACKING = text(f"""
UPDATE jobs SET stage = 'unpack', stage_at = now(), {TOUCH}
WHERE id = :id AND state = 'parsing' AND stage <> 'unpack' {CHANGED}
""")  # noqa: S608
DESCRIBE = text("""
UPDATE versions SET pages = :pages, media_type = :media_type, parser = :parser WHERE id = :id
""")
COUNT_PART = text(f"""
UPDATE jobs
SET parts_left = parts_left - 1, pages_done = pages_done + :pages, {TOUCH},
    stage = CASE WHEN parts_left = 1 THEN 'chunk' ELSE 'parse' END,
    stage_at = CASE WHEN parts_left = 1 OR stage <> 'parse' THEN now() ELSE stage_at END,
    {add_ms("parse", "ms")}
WHERE id = :id AND state = 'parsing' {CHANGED}, parts_left
""")  # noqa: S608
CLAIM_CHUNKING = text("""
UPDATE jobs SET claim = :claim, lease_until = now() + make_interval(secs => :lease_s)
WHERE id = :id AND state = 'parsing' AND stage = 'chunk' AND parts_left = 0
  AND (claim IS NULL OR lease_until < now())
RETURNING id, claim, tenant_id, collection_id, document_id, version_id, filename
""")
RENEW_CHUNKING = text("""
UPDATE jobs SET lease_until = now() + make_interval(secs => :lease_s)
WHERE id = :id AND claim = :claim AND state = 'parsing'
""")
RELEASE_CHUNKING = text("""
UPDATE jobs SET claim = NULL, lease_until = NULL, published_at = NULL,
    not_before = now() + make_interval(secs => :delay_s), attempts = attempts + 1
WHERE id = :id AND claim = :claim
""")
START_EMBEDDING = text(f"""
UPDATE jobs
SET state = 'embedding', stage = 'embed', chunks_total = :chunks, chunks_left = :chunks,
    warnings = CAST(:warnings AS jsonb), claim = NULL, lease_until = NULL, {TOUCH},
    stage_at = now(), {add_ms("chunk", "ms")}
WHERE id = :id AND claim = :claim AND state = 'parsing' {CHANGED}
""")  # noqa: S608
TAKE_CHUNKING = text("""
UPDATE jobs SET published_at = now()
WHERE id IN (
    SELECT id FROM jobs
    WHERE state = 'parsing' AND stage = 'chunk' AND claim IS NULL AND not_before <= now()
      AND (published_at IS NULL OR published_at < now() - make_interval(secs => :after_s))
      AND updated_at < now() - make_interval(secs => 1)
    LIMIT 100
) RETURNING id, tenant_id, filename
""")
EXPIRE_CHUNKING = text("""
UPDATE jobs SET claim = NULL, lease_until = NULL, published_at = NULL
WHERE state = 'parsing' AND lease_until < now() RETURNING id, attempts + 1 AS attempts
""")
ATTEMPT = text("UPDATE jobs SET attempts = attempts + 1, updated_at = now() WHERE id = :id")
WAIT = text(f"""
UPDATE jobs SET waiting_for = CAST(:waiting_for AS jsonb), {TOUCH}
WHERE id = ANY(:ids) AND {OPEN}
  AND waiting_for->>'kind' IS DISTINCT FROM CAST(:waiting_for AS jsonb)->>'kind' {CHANGED}
""")  # noqa: S608
FAIL = text(f"""
UPDATE jobs
SET state = 'failed', problem = CAST(:problem AS jsonb), fence = fence + 1, {END},
    warnings = coalesce(CAST(:warnings AS jsonb), warnings)
WHERE id = ANY(:ids) AND {OPEN} {CHANGED}
""")  # noqa: S608
CANCEL = text(f"""
UPDATE jobs SET state = 'cancelled', fence = fence + 1, {END}
WHERE id = ANY(:ids) AND {OPEN} {CHANGED}
""")  # noqa: S608
EMPTY_QUEUE = text("DELETE FROM embed_queue WHERE job_id = ANY(:ids)")
# A leased part of an ended job would count as work under way until its lease ran out.
STOP_PARTS = text("""
UPDATE parts SET state = 'stopped', claim = NULL, lease_until = NULL, published_at = NULL
WHERE job_id = ANY(:ids) AND state <> 'done'
""")
BURY_CHUNKS = text("""
INSERT INTO tombstones (id, tenant_id, index_id, document_id, version_id, until)
SELECT DISTINCT ON (c.index_id, c.version_id) gen_random_uuid(), c.tenant_id, c.index_id,
       c.document_id, c.version_id, now() + make_interval(secs => :grace_s)
FROM chunks c JOIN jobs j ON j.version_id = c.version_id WHERE j.id = ANY(:ids)
ON CONFLICT (index_id, version_id) DO NOTHING
""")
# While a batch is paused the time of its jobs does not run; resuming gives them new deadlines.
# A job that somebody else holds just now is found again by the next sweep.
PAST_DEADLINE = text(f"""
SELECT id FROM jobs j WHERE deadline < now() AND {OPEN}
  AND NOT EXISTS (SELECT FROM batches b WHERE b.id = j.batch_id AND b.paused)
ORDER BY deadline LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class ClaimedChunking:
    """A job whose parts are all in, and the right to chunk it."""

    id: UUID
    claim: UUID
    tenant_id: str
    collection_id: UUID
    document_id: UUID
    version_id: UUID
    filename: str


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job to publish for its chunk step."""

    id: UUID
    tenant_id: str
    filename: str


class Jobs:
    """The jobs' transitions, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def start(self, job_ids: Collection[UUID]) -> None:
        """Mark those of these jobs that are queued as parsing."""
        if job_ids:
            await self._change(START, {"ids": list(job_ids)})

    async def plan(self, job_id: UUID, *, parts: int, pages: int) -> bool:
        """Write how many parts and pages there are; False when the job is no longer parsing."""
        rows = await self._change(PLAN, {"id": job_id, "parts": parts, "pages": pages})
        return bool(rows)

    async def unpacking(self, job_id: UUID) -> None:
        """Note that the files in the job's file are being taken out."""
        await self._change(UNPACKING, {"id": job_id})

    async def describe_version(
        self, version_id: UUID, *, pages: int, media_type: str, parser: str
    ) -> None:
        """Note what the parser found out about the version."""
        await self._connection.execute(
            DESCRIBE,
            {"id": version_id, "pages": pages, "media_type": media_type, "parser": parser},
        )

    async def lock(self, job_ids: Collection[UUID]) -> None:
        """Take the jobs' row locks, before any of their parts or queue rows."""
        await self._connection.execute(LOCK, {"ids": list(job_ids)})

    async def count_part(self, job_id: UUID, *, pages: int, ms: float) -> int | None:
        """Count one part down; return how many are left, None when the job is not parsing."""
        rows = await self._change(COUNT_PART, {"id": job_id, "pages": pages, "ms": round(ms)})
        return rows[0]["parts_left"] if rows else None

    async def claim_chunking(
        self, job_id: UUID, *, claim: UUID, lease_s: float
    ) -> ClaimedChunking | None:
        """Take the chunk step of a job whose parts are all in; None when it is not to be had."""
        result = await self._connection.execute(
            CLAIM_CHUNKING, {"id": job_id, "claim": claim, "lease_s": lease_s}
        )
        row = result.mappings().one_or_none()
        return None if row is None else ClaimedChunking(**row)

    async def renew_chunking(self, job: ClaimedChunking, *, lease_s: float) -> bool:
        """Extend the chunk step's lease; False when it is lost or the job ended."""
        result = await self._connection.execute(
            RENEW_CHUNKING, {"id": job.id, "claim": job.claim, "lease_s": lease_s}
        )
        return result.rowcount == 1

    async def release_chunking(self, job: ClaimedChunking, *, delay_s: float) -> None:
        """Give the chunk step back, to be tried again after `delay_s`."""
        await self._connection.execute(
            RELEASE_CHUNKING, {"id": job.id, "claim": job.claim, "delay_s": delay_s}
        )

    async def start_embedding(
        self,
        job: ClaimedChunking,
        *,
        chunks: int,
        warnings: Sequence[Mapping[str, Any]],
        ms: float,
    ) -> bool:
        """Hand the job over to embedding; False when the claim is lost."""
        rows = await self._change(
            START_EMBEDDING,
            {
                "id": job.id,
                "claim": job.claim,
                "chunks": chunks,
                "warnings": json.dumps(list(warnings)),
                "ms": round(ms),
            },
        )
        return bool(rows)

    async def take_chunking(self, *, after_s: float) -> list[WaitingJob]:
        """Mark jobs left before their chunk step as published and return them."""
        result = await self._connection.execute(TAKE_CHUNKING, {"after_s": after_s})
        return [WaitingJob(**row) for row in result.mappings()]

    async def expire_chunking(self) -> list[tuple[UUID, int]]:
        """Take back chunk steps whose lease ran out; return jobs and attempts."""
        result = await self._connection.execute(EXPIRE_CHUNKING)
        return [(row.id, row.attempts) for row in result]

    async def count_attempt(self, job_id: UUID) -> None:
        """Count one more failed try."""
        await self._connection.execute(ATTEMPT, {"id": job_id})

    async def wait(self, job_ids: Sequence[UUID], waiting_for: WaitingFor) -> None:
        """Say what the open ones of these jobs wait for."""
        parameters = {"ids": list(job_ids), "waiting_for": waiting_for.model_dump_json()}
        await self._change(WAIT, parameters)

    async def fail(self, job_id: UUID, problem: Problem, *, warnings: str | None = None) -> bool:
        """End the job as failed, its done work kept for a retry; False when it had ended.

        What its parsing warned of (a JSON list) is told with it: it may say why.
        """
        return bool(await self.fail_all([job_id], problem, warnings=warnings))

    async def fail_all(
        self, job_ids: Sequence[UUID], problem: Problem, *, warnings: str | None = None
    ) -> list[UUID]:
        """End the open ones of these jobs as failed with one problem, and return them."""
        parameters = {
            "ids": list(job_ids),
            "problem": problem.model_dump_json(),
            "warnings": warnings,
        }
        ended = [row["id"] for row in await self._change(FAIL, parameters)]
        if ended:
            await self._stop_work(ended)
        return ended

    async def cancel(self, job_ids: Sequence[UUID], *, grace_s: float) -> list[UUID]:
        """End the open ones of these jobs as cancelled and return them.

        What they had written is buried: removed now and once more after `grace_s`.
        """
        rows = await self._change(CANCEL, {"ids": list(job_ids)})
        ended = [row["id"] for row in rows]
        if ended:
            await self._stop_work(ended)
            await self._connection.execute(BURY_CHUNKS, {"ids": ended, "grace_s": grace_s})
        return ended

    async def past_deadline(self, *, most: int = 100) -> list[UUID]:
        """Lock up to `most` open jobs whose deadline is over, oldest first, and return them."""
        return list((await self._connection.execute(PAST_DEADLINE, {"most": most})).scalars())

    async def _stop_work(self, job_ids: Sequence[UUID]) -> None:
        for statement in (STOP_PARTS, EMPTY_QUEUE):
            await self._connection.execute(statement, {"ids": list(job_ids)})

    async def _change(self, statement: TextClause, parameters: dict[str, Any]) -> list[Any]:
        result = await self._connection.execute(statement, parameters)
        rows = [dict(row) for row in result.mappings()]
        await Events(self._connection).add_job_events(rows)
        return rows
