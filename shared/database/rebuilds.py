"""Rebuilds: collections whose points are made anew from the chunks' texts, a slice at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.columns import AGAIN

RebuildStage = Literal["preparing", "queueing", "embedding", "checking", "mending", "done"]

FIRST = UUID(int=0)
# Chunks queued by one transaction, unless one document alone has more; documents looked at.
CHUNKS_A_SLICE = 5000
DOCUMENTS_A_SLICE = 500

# The chunks that a live version's job wrote; counting the chunk rows would read all their texts.
LIVE_CHUNKS = """
LEFT JOIN versions v ON v.document_id = d.id AND v.number = d.live_version
LEFT JOIN LATERAL (
    SELECT id, chunks_total FROM jobs WHERE version_id = v.id AND duplicate_of IS NULL
    ORDER BY id DESC LIMIT 1
) j ON true
"""
SIZES = text(f"""
SELECT c.id, c.name, i.space, c.active_index, count(v.id) AS documents,
       coalesce(sum(j.chunks_total), 0) AS chunks,
       ARRAY(SELECT x.id FROM indexes x
             WHERE x.collection_id = c.id AND x.leaving_at IS NULL) AS indexes
FROM collections c
JOIN indexes i ON i.id = c.active_index
LEFT JOIN documents d ON d.collection_id = c.id AND d.deleted_at IS NULL
{LIVE_CHUNKS}
WHERE c.deleted_at IS NULL AND (CAST(:name AS text) IS NULL OR c.name = :name)
GROUP BY c.id, i.space ORDER BY c.name
""")  # noqa: S608 - constants of this module only
# By their hashes chunks are in no order that has to do with their length: the first are a sample.
SAMPLE = text("""
SELECT coalesce(avg(tokens), 0)::float FROM (
    SELECT tokens FROM chunks WHERE index_id = :index_id ORDER BY text_sha256 LIMIT 1000
) s
""")
SAMPLED_TEXTS = text("""
SELECT text, tokens FROM chunks WHERE index_id = :index_id ORDER BY text_sha256 LIMIT 200
""")
# Chunks a second of the largest of the newest uploads, from its beginning to its end.
PACE = text("""
SELECT sum(j.chunks_total) / greatest(1, extract(
           epoch FROM max(j.finished_at) - min(j.created_at)))::float AS pace
FROM (SELECT id FROM batches WHERE NOT paused ORDER BY id DESC LIMIT 20) b
JOIN jobs j ON j.batch_id = b.id
WHERE j.state IN ('succeeded', 'succeeded_with_warnings') AND j.duplicate_of IS NULL
GROUP BY j.batch_id ORDER BY sum(j.chunks_total) DESC LIMIT 1
""")
ADD = text("""
INSERT INTO rebuilds (id, tenant_id, collection_id, from_empty, stage)
SELECT gen_random_uuid(), c.tenant_id, c.id, :from_empty, 'preparing'
FROM collections c WHERE c.id = ANY(:collections) AND c.deleted_at IS NULL
ORDER BY c.id
ON CONFLICT (collection_id) WHERE finished_at IS NULL DO NOTHING
""")
LISTED = text(f"""
SELECT r.id, c.name AS collection, r.from_empty, r.stage, r.documents, r.chunks,
       (SELECT count(*) FROM embed_queue q JOIN indexes i ON i.id = q.index_id
        WHERE i.collection_id = r.collection_id AND q.seq >= {AGAIN}) AS left,
       r.created_at, r.finished_at
FROM rebuilds r JOIN collections c ON c.id = r.collection_id AND c.deleted_at IS NULL
WHERE r.finished_at IS NULL OR NOT EXISTS (
    SELECT FROM rebuilds n WHERE n.collection_id = r.collection_id AND n.created_at > r.created_at)
ORDER BY c.name, r.created_at
""")  # noqa: S608
OPEN = text("""
SELECT r.id, r.tenant_id, r.collection_id, r.from_empty, r.stage,
       ARRAY(SELECT i.id FROM indexes i WHERE i.collection_id = r.collection_id
             AND i.leaving_at IS NULL ORDER BY i.id) AS indexes,
       ARRAY(SELECT i.space FROM indexes i WHERE i.collection_id = r.collection_id
             AND i.leaving_at IS NULL ORDER BY i.id) AS spaces
FROM rebuilds r JOIN collections c ON c.id = r.collection_id AND c.deleted_at IS NULL
WHERE r.finished_at IS NULL ORDER BY r.created_at, r.id
""")
# Who queues a slice holds the row, so that no two queue the same one after another.
TAKE = text("""
SELECT coalesce(reached, :first) AS reached FROM rebuilds
WHERE id = :id AND stage = 'queueing' FOR UPDATE SKIP LOCKED
""")
NEXT = text(f"""
SELECT d.id, coalesce(j.chunks_total, 0) AS chunks
FROM documents d {LIVE_CHUNKS}
WHERE d.tenant_id = :tenant_id AND d.collection_id = :collection_id AND d.id > :reached
  AND d.deleted_at IS NULL AND d.live_version IS NOT NULL
ORDER BY d.id LIMIT :limit FOR UPDATE OF d
""")  # noqa: S608
QUEUE = text(f"""
INSERT INTO embed_queue (chunk_id, tenant_id, job_id, index_id, space, tokens, seq)
SELECT c.id, c.tenant_id, j.id, c.index_id, i.space, c.tokens, nextval('embed_queue_seq') + {AGAIN}
FROM documents d {LIVE_CHUNKS}
JOIN chunks c ON c.version_id = v.id
JOIN indexes i ON i.id = c.index_id AND i.leaving_at IS NULL
WHERE d.id = ANY(:documents) AND j.id IS NOT NULL
ON CONFLICT DO NOTHING
""")  # noqa: S608
REACH = text("""
UPDATE rebuilds
SET reached = :reached, documents = documents + :documents, chunks = chunks + :chunks
WHERE id = :id
""")
MOVE = text("""
UPDATE rebuilds
SET stage = :stage, finished_at = CASE WHEN :stage = 'done' THEN now() ELSE finished_at END
WHERE id = :id AND stage = :of
""")
ANALYSED = text("UPDATE indexes SET analyser = :analyser WHERE id = ANY(:indexes)")
LEFT = text(f"""
SELECT EXISTS (SELECT FROM embed_queue WHERE index_id = ANY(:indexes) AND seq >= {AGAIN})
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class CollectionSize:
    """What a collection's points are made of; `indexes` are all it has."""

    id: UUID
    name: str
    space: str
    active_index: UUID
    documents: int
    chunks: int
    indexes: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class SampledText:
    """One of an index's texts, and its tokens in the index's space."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class RebuildRow:
    """A rebuild as it is shown: `chunks` were queued, `left` of them are to be embedded."""

    id: UUID
    collection: str
    from_empty: bool
    stage: RebuildStage
    documents: int
    chunks: int
    left: int
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenRebuild:
    """A rebuild to go on with; `spaces` are those of `indexes`, one by one."""

    id: UUID
    tenant_id: str
    collection_id: UUID
    from_empty: bool
    stage: RebuildStage
    indexes: Sequence[UUID]
    spaces: Sequence[str]


class Rebuilds:
    """The rebuilds' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction: a tenant's to plan and begin, the workers' to go on."""
        self._connection = connection

    async def sizes(self, name: str | None) -> list[CollectionSize]:
        """Measure the collection of this name, or each of the tenant's."""
        result = await self._connection.execute(SIZES, {"name": name})
        return [
            CollectionSize(**dict(row) | {"chunks": int(row["chunks"])})
            for row in result.mappings()
        ]

    async def tokens_a_chunk(self, index_id: UUID) -> float:
        """Return how many tokens a chunk of an index has, the mean of a sample."""
        result = await self._connection.execute(SAMPLE, {"index_id": index_id})
        return float(result.scalar_one())

    async def sample(self, index_id: UUID) -> list[SampledText]:
        """Return some of an index's texts, whichever."""
        result = await self._connection.execute(SAMPLED_TEXTS, {"index_id": index_id})
        return [SampledText(**row) for row in result.mappings()]

    async def pace(self) -> float | None:
        """Return the chunks a second of a recent large upload; None if there was none."""
        return (await self._connection.execute(PACE)).scalar_one_or_none()

    async def add(self, collections: Sequence[UUID], *, from_empty: bool) -> int:
        """Begin the rebuilds of collections, of which none is under way; return how many."""
        parameters = {"collections": list(collections), "from_empty": from_empty}
        return (await self._connection.execute(ADD, parameters)).rowcount

    async def listed(self) -> list[RebuildRow]:
        """Return the newest rebuild of each collection."""
        result = await self._connection.execute(LISTED)
        return [RebuildRow(**row) for row in result.mappings()]

    async def open(self) -> list[OpenRebuild]:
        """Return the rebuilds to go on with, oldest first."""
        return [OpenRebuild(**row) for row in (await self._connection.execute(OPEN)).mappings()]

    async def queue_slice(self, rebuild: OpenRebuild) -> int | None:
        """Queue the chunks of the next documents; return how many documents they are.

        None while another does so. Chunks that are queued already stay as they are.
        """
        taken = await self._connection.execute(TAKE, {"id": rebuild.id, "first": FIRST})
        reached = taken.scalar_one_or_none()
        if reached is None:
            return None
        documents = await self._next(rebuild, reached)
        if documents:
            queued = await self._connection.execute(QUEUE, {"documents": documents})
            await self._connection.execute(
                REACH,
                {
                    "id": rebuild.id,
                    "reached": documents[-1],
                    "documents": len(documents),
                    "chunks": queued.rowcount,
                },
            )
        return len(documents)

    async def move(self, rebuild: OpenRebuild, stage: RebuildStage) -> bool:
        """Let a rebuild go on with another stage; False if it has left its own meanwhile."""
        parameters = {"id": rebuild.id, "of": rebuild.stage, "stage": stage}
        return bool((await self._connection.execute(MOVE, parameters)).rowcount)

    async def analysed(self, rebuild: OpenRebuild, *, analyser: str) -> None:
        """Note that all of a collection's sparse terms are this analyser's."""
        await self._connection.execute(
            ANALYSED, {"indexes": list(rebuild.indexes), "analyser": analyser}
        )

    async def is_left(self, rebuild: OpenRebuild) -> bool:
        """Say whether chunks are still to be embedded again."""
        result = await self._connection.execute(LEFT, {"indexes": list(rebuild.indexes)})
        return bool(result.scalar_one())

    async def _next(self, rebuild: OpenRebuild, reached: UUID) -> list[UUID]:
        result = await self._connection.execute(
            NEXT,
            {
                "tenant_id": rebuild.tenant_id,
                "collection_id": rebuild.collection_id,
                "reached": reached,
                "limit": DOCUMENTS_A_SLICE,
            },
        )
        taken, chunks = list[UUID](), 0
        for row in result:
            chunks += row.chunks
            if taken and chunks > CHUNKS_A_SLICE:
                break
            taken.append(row.id)
        return taken
