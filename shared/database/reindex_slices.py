"""The work of a reindex, a slice a transaction: documents cut anew, an index's rows removed."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.chunks import Chunks, NewChunk, TargetIndex
from shared.database.columns import AGAIN
from shared.database.embed_queue import LOCK_DOCUMENTS, EmbedQueue
from shared.database.jobs import Jobs
from shared.database.reindexes import OpenReindex

FIRST = UUID(int=0)
PROBLEMS_KEPT = 10
# So many of a collection's chunks wait to be embedded: others' reindexes have their turn between.
MOST_QUEUED = 10_000

# The least recently worked for goes first.
TAKE_WAITING = text(f"""
UPDATE reindexes SET published_at = now()
WHERE id IN (
    SELECT r.id FROM reindexes r
    JOIN collections c ON c.id = r.collection_id AND c.deleted_at IS NULL
    WHERE r.finished_at IS NULL AND r.stage = 'cutting'
      AND (r.claim IS NULL OR r.lease_until < now())
      AND (r.published_at IS NULL OR r.published_at < now() - make_interval(secs => :after_s))
      AND NOT EXISTS (SELECT FROM embed_queue q WHERE q.index_id = r.new_index AND q.seq >= {AGAIN}
                      OFFSET :queued)
    ORDER BY r.worked_at NULLS FIRST, r.id LIMIT :most FOR UPDATE OF r SKIP LOCKED
) RETURNING id
""")  # noqa: S608 - constants
CLAIM = text("""
UPDATE reindexes r
SET claim = :claim, lease_until = now() + make_interval(secs => :lease_s), worked_at = now()
FROM indexes i
WHERE r.id = :id AND r.stage = 'cutting' AND (r.claim IS NULL OR r.lease_until < now())
  AND i.id = r.new_index
RETURNING r.id, r.claim, r.tenant_id, r.collection_id, r.new_index AS index_id, i.space, i.chunker,
          coalesce(r.reached, :first) AS reached
""")
RENEW = text("""
UPDATE reindexes SET lease_until = now() + make_interval(secs => :lease_s)
WHERE id = :id AND claim = :claim
""")
# With a pause: nobody publishes it again before that.
RELEASE = text("""
UPDATE reindexes
SET claim = NULL, lease_until = NULL,
    published_at = CASE WHEN CAST(:pause AS boolean) THEN now() END
WHERE id = :id AND claim = :claim
""")
# Live versions, and those that were cut before there was a second index and are being embedded.
PAGE = text("""
WITH page AS (
    SELECT id, live_version FROM documents
    WHERE tenant_id = :tenant_id AND collection_id = :collection_id AND id > :reached
      AND deleted_at IS NULL
    ORDER BY id LIMIT :limit
)
SELECT p.id AS document_id, p.live_version IS NOT NULL AS live, n.version_id, n.job_id
FROM page p LEFT JOIN LATERAL (
    SELECT v.id AS version_id, j.id AS job_id FROM versions v JOIN LATERAL (
        SELECT id, state FROM jobs WHERE version_id = v.id AND duplicate_of IS NULL
        ORDER BY id DESC LIMIT 1
    ) j ON true
    WHERE v.document_id = p.id
      AND (v.number = p.live_version
           OR (j.state = 'embedding' AND v.number > coalesce(p.live_version, 0)))
      AND NOT EXISTS (SELECT FROM chunks c WHERE c.version_id = v.id AND c.index_id = :index_id)
) n ON true ORDER BY p.id
""")
LACKING = text("""
WITH page AS (
    SELECT id, live_version FROM documents
    WHERE tenant_id = :tenant_id AND collection_id = :collection_id AND id > :after
      AND deleted_at IS NULL
    ORDER BY id LIMIT :limit
)
SELECT max(p.id::text)::uuid AS last, count(v.id) FILTER (WHERE NOT EXISTS (
    SELECT FROM chunks c WHERE c.version_id = v.id AND c.index_id = :index_id)) AS lacking
FROM page p LEFT JOIN versions v ON v.document_id = p.id AND v.number = p.live_version
""")
HOLD = text("""
SELECT FROM reindexes WHERE id = :id AND claim = :claim AND stage = 'cutting' FOR UPDATE
""")
WANTED = text("""
SELECT v.id AS version_id, j.state = 'embedding' AS under_way
FROM versions v
JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
JOIN jobs j ON j.id = ANY(:jobs) AND j.version_id = v.id
WHERE v.id = ANY(:versions)
  AND (v.number = d.live_version
       OR (j.state = 'embedding' AND v.number > coalesce(d.live_version, 0)))
  AND NOT EXISTS (SELECT FROM chunks c WHERE c.version_id = v.id AND c.index_id = :index_id)
""")
COUNT_UP = text("""
UPDATE jobs j SET chunks_total = chunks_total + n.chunks, chunks_left = chunks_left + n.chunks
FROM (SELECT job_id, count(*) AS chunks FROM embed_queue
      WHERE job_id = ANY(:jobs) AND index_id = :index_id GROUP BY job_id) n
WHERE j.id = n.job_id AND j.state = 'embedding'
""")
REACH = text("""
UPDATE reindexes
SET reached = :reached, documents = documents + :documents, chunks = chunks + :chunks,
    tokens = tokens + (SELECT coalesce(sum(c.tokens), 0) FROM chunks c
                       WHERE c.version_id = ANY(:versions) AND c.index_id = new_index),
    problems = CASE WHEN jsonb_array_length(problems) < :kept
        THEN problems || CAST(:problems AS jsonb) ELSE problems END,
    claim = NULL, lease_until = NULL, published_at = NULL
WHERE id = :id
""")
ALL_CUT = text("""
UPDATE reindexes SET stage = 'embedding', claim = NULL, lease_until = NULL
WHERE id = :id AND claim = :claim AND stage = 'cutting'
""")
TAKE_REMOVAL = text("""
SELECT FROM reindexes WHERE id = :id AND stage = 'removing' FOR UPDATE SKIP LOCKED
""")
SOME_CHUNKS = text("SELECT id, version_id FROM chunks WHERE index_id = :index_id LIMIT :limit")
DELETE_CHUNKS = text("DELETE FROM chunks WHERE id = ANY(:ids)")
LOCK_ENDED = text("""
SELECT FROM jobs WHERE version_id = ANY(:versions) AND finished_at IS NOT NULL
ORDER BY id FOR UPDATE
""")
RECOUNT = text("""
UPDATE jobs j SET chunks_total = n.chunks
FROM (SELECT v.id, (SELECT count(*) FROM chunks c
                    WHERE c.version_id = v.id AND c.index_id <> :index_id) AS chunks
      FROM unnest(CAST(:versions AS uuid[])) AS v(id)) n
WHERE j.version_id = n.id AND j.duplicate_of IS NULL AND j.finished_at IS NOT NULL
  AND n.chunks > 0 AND j.chunks_total <> n.chunks
""")
# Whoever claimed some of it may write points until the time of grace, which begins anew, is over.
TOUCH_INDEX = text("UPDATE indexes SET leaving_at = now() WHERE id = :index_id")
IS_OVER = text("""
SELECT NOT EXISTS (SELECT FROM chunks WHERE index_id = :index_id)
   AND NOT EXISTS (SELECT FROM tombstones WHERE index_id = :index_id)
   AND NOT EXISTS (SELECT FROM indexes WHERE id = :index_id
                   AND leaving_at > now() - make_interval(secs => :grace_s))
""")
DELETE_INDEX = text("DELETE FROM indexes WHERE id = :index_id AND leaving_at IS NOT NULL")
END = text("""
UPDATE reindexes SET stage = 'done', finished_at = now() WHERE id = :id AND stage = 'removing'
""")


@dataclass(frozen=True, slots=True)
class ClaimedReindex:
    """The right to cut the next documents of a collection for its new index."""

    id: UUID
    claim: UUID
    tenant_id: str
    collection_id: UUID
    index_id: UUID
    space: str
    chunker: str
    reached: UUID

    @property
    def index(self) -> TargetIndex:
        """The new index as chunks are cut for it."""
        return TargetIndex(
            self.collection_id, self.index_id, self.space, ready=True, chunker=self.chunker
        )


@dataclass(frozen=True, slots=True)
class PageRow:
    """A document of a page, and a version of it that the new index lacks, if any."""

    document_id: UUID
    live: bool
    version_id: UUID | None
    job_id: UUID | None


@dataclass(frozen=True, slots=True)
class CutSlice:
    """Documents up to `reached`, cut: the chunks of each version, and what could not be cut."""

    reached: UUID
    documents: int
    chunks: Mapping[UUID, Collection[NewChunk]]
    rows: Sequence[PageRow]
    problems: Sequence[Mapping[str, str]]


class ReindexSlices:
    """A slice's queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the workers' transaction."""
        self._connection = connection

    async def take_waiting(self, *, most: int, after_s: float) -> list[UUID]:
        """Mark up to `most` reindexes that have documents to cut as published."""
        parameters = {"most": most, "after_s": after_s, "queued": MOST_QUEUED}
        result = await self._connection.execute(TAKE_WAITING, parameters)
        return list(result.scalars())

    async def claim(
        self, reindex_id: UUID, *, claim: UUID, lease_s: float
    ) -> ClaimedReindex | None:
        """Take the right to cut; None when another has it or there is nothing to cut."""
        parameters = {"id": reindex_id, "claim": claim, "lease_s": lease_s, "first": FIRST}
        row = (await self._connection.execute(CLAIM, parameters)).mappings().one_or_none()
        return None if row is None else ClaimedReindex(**row)

    async def renew(self, claimed: ClaimedReindex, *, lease_s: float) -> bool:
        """Extend a claim; False when it is lost."""
        parameters = {"id": claimed.id, "claim": claimed.claim, "lease_s": lease_s}
        return bool((await self._connection.execute(RENEW, parameters)).rowcount)

    async def release(self, claimed: ClaimedReindex, *, pause: bool) -> None:
        """Give a claim back; with `pause` the next try waits some seconds."""
        parameters = {"id": claimed.id, "claim": claimed.claim, "pause": pause}
        await self._connection.execute(RELEASE, parameters)

    async def page(self, claimed: ClaimedReindex, *, limit: int) -> list[PageRow]:
        """Return the next documents, a row for each version of them that is not cut yet.

        A document that lacks none has one row without a version.
        """
        parameters = {
            "tenant_id": claimed.tenant_id,
            "collection_id": claimed.collection_id,
            "index_id": claimed.index_id,
            "reached": claimed.reached,
            "limit": limit,
        }
        result = await self._connection.execute(PAGE, parameters)
        return [PageRow(**row) for row in result.mappings()]

    async def lacking(
        self, reindex: OpenReindex, *, after: UUID, limit: int
    ) -> tuple[int, UUID | None]:
        """Count the live versions without chunks in the new index among the next documents.

        Returns:
            That number, and the last document looked at; None when there was no further one.
        """
        parameters = {
            "tenant_id": reindex.tenant_id,
            "collection_id": reindex.collection_id,
            "index_id": reindex.new_index,
            "after": after,
            "limit": limit,
        }
        row = (await self._connection.execute(LACKING, parameters)).one()
        return row.lacking, row.last

    async def write(self, claimed: ClaimedReindex, cut: CutSlice) -> bool:
        """Queue a slice's chunks and go on from `reached`; False when the claim is lost.

        What was deleted, replaced or cut by others meanwhile is left out.
        """
        mine = {"id": claimed.id, "claim": claimed.claim}
        if (await self._connection.execute(HOLD, mine)).first() is None:
            return False
        wanted = await self._wanted(claimed, cut)
        chunks = await self._queue(claimed, cut, wanted)
        await self._connection.execute(
            REACH,
            {
                "id": claimed.id,
                "reached": cut.reached,
                "documents": cut.documents,
                "chunks": chunks,
                "versions": list(wanted),
                "problems": json.dumps([dict(one) for one in cut.problems]),
                "kept": PROBLEMS_KEPT,
            },
        )
        return True

    async def all_cut(self, claimed: ClaimedReindex) -> None:
        """Note that every document was reached."""
        await self._connection.execute(ALL_CUT, {"id": claimed.id, "claim": claimed.claim})

    async def remove_some(
        self, reindex_id: UUID, index_id: UUID, *, limit: int, grace_s: float
    ) -> set[UUID]:
        """Remove up to `limit` chunk rows of an index that goes; return whose versions' they were.

        Queued ones are taken off first. None also while another is at it.
        """
        if (await self._connection.execute(TAKE_REMOVAL, {"id": reindex_id})).first() is None:
            return set()
        some = {"index_id": index_id, "limit": limit}
        rows = (await self._connection.execute(SOME_CHUNKS, some)).all()
        ids = [row.id for row in rows]
        if await EmbedQueue(self._connection).take_away(ids, grace_s=grace_s):
            await self._connection.execute(TOUCH_INDEX, {"index_id": index_id})
        await self._connection.execute(DELETE_CHUNKS, {"ids": ids})
        return {row.version_id for row in rows}

    async def recount(self, index_id: UUID, version_ids: Collection[UUID]) -> None:
        """Let ended jobs say how many chunks their versions have without the index that goes."""
        parameters = {"versions": list(version_ids), "index_id": index_id}
        await self._connection.execute(LOCK_ENDED, parameters)
        await self._connection.execute(RECOUNT, parameters)

    async def is_over(self, index_id: UUID, *, grace_s: float) -> bool:
        """Say whether nothing of an index is left and nobody can write any more."""
        parameters = {"index_id": index_id, "grace_s": grace_s}
        return bool((await self._connection.execute(IS_OVER, parameters)).scalar_one())

    async def end(self, reindex_id: UUID, index_id: UUID) -> None:
        """Remove the row of an index that is gone and end its reindex."""
        await self._connection.execute(DELETE_INDEX, {"index_id": index_id})
        await self._connection.execute(END, {"id": reindex_id})

    async def _wanted(self, claimed: ClaimedReindex, cut: CutSlice) -> dict[UUID, bool]:
        """Lock what was cut; return the versions still wanted, and if their job is under way."""
        rows = [row for row in cut.rows if row.version_id in cut.chunks]
        jobs = [row.job_id for row in rows if row.job_id is not None]
        documents = sorted({row.document_id for row in rows})
        await self._connection.execute(LOCK_DOCUMENTS, {"ids": documents})
        await Jobs(self._connection).lock(jobs)
        parameters = {
            "versions": list(cut.chunks),
            "jobs": jobs,
            "index_id": claimed.index_id,
        }
        result = await self._connection.execute(WANTED, parameters)
        return {row.version_id: row.under_way for row in result}

    async def _queue(
        self, claimed: ClaimedReindex, cut: CutSlice, wanted: Mapping[UUID, bool]
    ) -> int:
        """Queue behind all new work; a job that is under way counts its own, and waits for it."""
        chunks = Chunks(self._connection)
        under_way = {version_id for version_id, is_so in wanted.items() if is_so}
        count = await chunks.queue(_of(cut, wanted.keys() - under_way), after=AGAIN)
        count += await chunks.queue(_of(cut, under_way))
        jobs = [row.job_id for row in cut.rows if row.version_id in under_way]
        if jobs:
            counted = {"jobs": jobs, "index_id": claimed.index_id}
            await self._connection.execute(COUNT_UP, counted)
        return count


def _of(cut: CutSlice, versions: AbstractSet[UUID]) -> Iterable[NewChunk]:
    return (one for version in cut.chunks if version in versions for one in cut.chunks[version])
