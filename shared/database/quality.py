"""The quality watch's rows: canaries, ticks, and what canaries are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.quality_tables import canaries, quality_ticks
from shared.identity import new_id

QualityState = Literal["ok", "degraded"]

# One reader that is late by a little must not make the next tick wait for a whole round.
DUE = """
NOT EXISTS (SELECT FROM quality_ticks t WHERE t.collection_id = c.id
            AND t.created_at > now() - make_interval(secs => :younger_s))
"""
COLLECTIONS = text(f"""
SELECT c.id, c.name, i.id AS index_id, i.space
FROM collections c JOIN indexes i ON i.id = c.active_index
WHERE c.deleted_at IS NULL AND i.ready AND (CAST(:name AS text) IS NULL OR c.name = :name)
  AND {DUE}
ORDER BY (SELECT max(t.created_at) FROM quality_ticks t WHERE t.collection_id = c.id) NULLS FIRST,
         c.id
LIMIT :limit
""")  # noqa: S608 - constants of this module only
TENANTS = text(f"""
SELECT DISTINCT c.tenant_id FROM collections c JOIN indexes i ON i.id = c.active_index
WHERE c.deleted_at IS NULL AND i.ready AND {DUE} ORDER BY c.tenant_id
""")  # noqa: S608
COLLECTION_ID = text("SELECT id FROM collections WHERE name = :name AND deleted_at IS NULL")
LISTED = text("""
SELECT q.id, q.question, q.document, q.page, q.chunk_id,
       (SELECT q.cosine FROM collections c
        WHERE c.id = q.collection_id AND c.active_index = q.index_id) AS cosine,
       CASE WHEN q.chunk_id IS NULL THEN EXISTS (
           SELECT FROM documents d WHERE d.collection_id = q.collection_id
             AND d.name = q.document AND d.deleted_at IS NULL AND d.live_version IS NOT NULL)
       ELSE EXISTS (
           SELECT FROM chunks k
           JOIN collections c ON c.id = q.collection_id AND c.active_index = k.index_id
           JOIN versions v ON v.id = k.version_id JOIN documents d ON d.id = k.document_id
           WHERE k.id = q.chunk_id AND d.deleted_at IS NULL AND v.number = d.live_version)
       END AS live
FROM canaries q WHERE q.collection_id = :collection_id ORDER BY q.id
""")
# In the order of their hashes chunks are a sample that stays the same, read from an index.
SAMPLE = text("""
SELECT k.id, k.document_id, k.text, d.name AS document, k.page_start AS page
FROM chunks k
JOIN versions v ON v.id = k.version_id JOIN documents d ON d.id = k.document_id
WHERE k.index_id = :index_id AND d.deleted_at IS NULL AND v.number = d.live_version
ORDER BY k.text_sha256 LIMIT :limit
""")
REBASE = text("UPDATE quality_ticks SET counts = false WHERE collection_id = :id AND counts")
FORGET = text("UPDATE canaries SET cosine = NULL WHERE collection_id = :id")
NOTE = text("UPDATE canaries SET cosine = :cosine, index_id = :index_id WHERE id = :id")
PRUNE = text("""
DELETE FROM quality_ticks WHERE collection_id = :id AND id NOT IN (
    SELECT id FROM quality_ticks WHERE collection_id = :id ORDER BY created_at DESC LIMIT :keep)
""")
SHOWN = "id, state, reasons, measures, questions, skipped, errors, provider_calls, created_at"
NEWEST = text(f"""
SELECT {SHOWN} FROM quality_ticks WHERE collection_id = :id ORDER BY created_at DESC LIMIT :limit
""")  # noqa: S608
BASELINE = text("""
SELECT measures FROM quality_ticks
WHERE collection_id = :id AND counts AND state = 'ok' ORDER BY created_at DESC LIMIT :limit
""")
LATEST = text("""
SELECT c.id, t.state, t.measures, extract(epoch FROM now() - t.created_at)::float AS age_s
FROM collections c
CROSS JOIN LATERAL (SELECT * FROM quality_ticks t WHERE t.collection_id = c.id
                    ORDER BY t.created_at DESC LIMIT 1) t
WHERE c.deleted_at IS NULL ORDER BY t.state = 'ok', c.id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Watched:
    """A collection whose active index answers."""

    id: UUID
    name: str
    index_id: UUID
    space: str


@dataclass(frozen=True, slots=True)
class CanaryRow:
    """A canary; made from `chunk_id`, or given. It is not `live` when what it expects is gone.

    `cosine` is that of what it found in its first good tick in the index that answers now.
    """

    id: UUID
    question: str
    document: str
    page: int | None
    chunk_id: UUID | None
    cosine: float | None
    live: bool


@dataclass(frozen=True, slots=True)
class NewCanary:
    """A canary before it is stored."""

    question: str
    document: str
    page: int | None = None
    chunk_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SampledChunk:
    """A live chunk that a canary may be made from."""

    id: UUID
    document_id: UUID
    text: str
    document: str
    page: int


@dataclass(frozen=True, slots=True)
class NewTick:
    """What one round over a collection's canaries came to."""

    state: QualityState
    reasons: Sequence[str]
    measures: Mapping[str, float]
    questions: int
    skipped: int
    errors: int
    provider_calls: int


@dataclass(frozen=True, slots=True)
class TickRow(NewTick):
    """A stored tick."""

    id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LatestTick:
    """The newest tick of a collection, whoever's it is."""

    id: UUID
    state: QualityState
    measures: Mapping[str, float]
    age_s: float


class Quality:
    """The watch's queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction: a tenant's, or the workers' for what is across tenants."""
        self._connection = connection

    async def tenants(self, *, younger_s: float) -> list[str]:
        """Return the tenants with a collection whose newest tick is not younger than that."""
        result = await self._connection.execute(TENANTS, {"younger_s": younger_s})
        return list(result.scalars())

    async def collections(self, name: str | None, *, younger_s: float, limit: int) -> list[Watched]:
        """Return the collections to watch, the least recently watched first.

        `younger_s`: those with a tick younger than this are left out; 0 leaves out none.
        """
        wanted = {"name": name, "younger_s": younger_s, "limit": limit}
        result = await self._connection.execute(COLLECTIONS, wanted)
        return [Watched(**row) for row in result.mappings()]

    async def collection_id(self, name: str) -> UUID | None:
        """Return the id of the collection of this name."""
        return (await self._connection.execute(COLLECTION_ID, {"name": name})).scalar_one_or_none()

    async def canaries(self, collection_id: UUID) -> list[CanaryRow]:
        """Return a collection's canaries in the order they were added."""
        result = await self._connection.execute(LISTED, {"collection_id": collection_id})
        return [CanaryRow(**row) for row in result.mappings()]

    async def sample(self, index_id: UUID, *, limit: int) -> list[SampledChunk]:
        """Return live chunks of an index, the same ones each time while nothing changes."""
        result = await self._connection.execute(SAMPLE, {"index_id": index_id, "limit": limit})
        return [SampledChunk(**row) for row in result.mappings()]

    async def add_canaries(
        self, tenant_id: str, collection_id: UUID, new: Sequence[NewCanary]
    ) -> None:
        """Add canaries; one made from a chunk that has one already is left out."""
        rows = [
            {
                "id": new_id(),
                "tenant_id": tenant_id,
                "collection_id": collection_id,
                "question": one.question,
                "document": one.document,
                "page": one.page,
                "chunk_id": one.chunk_id,
            }
            for one in new
        ]
        if rows:
            await self._connection.execute(upsert(canaries).on_conflict_do_nothing(), rows)

    async def remove_canaries(self, collection_id: UUID, ids: Sequence[UUID] | None = None) -> None:
        """Remove these canaries of a collection, or all of them."""
        removal = delete(canaries).where(canaries.c.collection_id == collection_id)
        if ids is not None:
            removal = removal.where(canaries.c.id.in_(ids))
        await self._connection.execute(removal)

    async def add_tick(
        self, tenant_id: str, collection_id: UUID, tick: NewTick, *, keep: int
    ) -> TickRow:
        """Store a tick, forget the oldest beyond `keep`, and return it as stored."""
        values = {name: getattr(tick, name) for name in NewTick.__slots__}
        stored = await self._connection.execute(
            insert(quality_ticks)
            .values(id=new_id(), tenant_id=tenant_id, collection_id=collection_id, **values)
            .returning(quality_ticks.c.id, quality_ticks.c.created_at)
        )
        id_, created_at = stored.one()
        await self._connection.execute(PRUNE, {"id": collection_id, "keep": keep})
        return TickRow(**values, id=id_, created_at=created_at)

    async def rebase(self, collection_id: UUID) -> None:
        """Let no tick so far count for the baseline any more."""
        await self._connection.execute(REBASE, {"id": collection_id})
        await self._connection.execute(FORGET, {"id": collection_id})

    async def note_cosines(self, index_id: UUID, cosines: Mapping[UUID, float]) -> None:
        """Remember what these canaries found in an index, by their ids in one order for all."""
        rows = [
            {"id": id_, "cosine": cosines[id_], "index_id": index_id} for id_ in sorted(cosines)
        ]
        if rows:
            await self._connection.execute(NOTE, rows)

    async def newest(self, collection_id: UUID, *, limit: int) -> list[TickRow]:
        """Return a collection's ticks, newest first."""
        wanted = {"id": collection_id, "limit": limit}
        result = await self._connection.execute(NEWEST, wanted)
        return [TickRow(**row) for row in result.mappings()]

    async def baseline(self, collection_id: UUID, *, limit: int) -> list[Mapping[str, float]]:
        """Return what the newest good ticks measured, newest first."""
        wanted = {"id": collection_id, "limit": limit}
        return list((await self._connection.execute(BASELINE, wanted)).scalars())

    async def latest(self, *, limit: int) -> list[LatestTick]:
        """Return the newest tick of each collection, degraded ones first."""
        result = await self._connection.execute(LATEST, {"limit": limit})
        return [LatestTick(**row) for row in result.mappings()]
