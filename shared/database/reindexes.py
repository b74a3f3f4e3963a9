"""Reindexes: collections that have a second index, filled beside the one that answers.

Who changes which index answers, or how many there are, locks the collection; see `Chunks` for
those who write to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.columns import AGAIN

ReindexStage = Literal[
    "preparing",
    "cutting",
    "embedding",
    "checking",
    "mending",
    "ready",
    "switched",
    "removing",
    "done",
]

COLLECTION = """
SELECT c.id, c.tenant_id, c.active_index, i.space, i.chunker
FROM collections c JOIN indexes i ON i.id = c.active_index
WHERE c.name = :name AND c.deleted_at IS NULL
"""
FIND_COLLECTION = text(COLLECTION)
LOCK_COLLECTION = text("""
SELECT FROM collections WHERE name = :name AND deleted_at IS NULL FOR UPDATE
""")
ADD_INDEX = text("""
INSERT INTO indexes (id, tenant_id, collection_id, space, chunker)
VALUES (:new_index, :tenant_id, :collection_id, :space, :chunker)
""")
ADD = text("""
INSERT INTO reindexes (id, tenant_id, collection_id, old_index, old_space, old_chunker, new_index,
                       new_space, new_chunker, stage, documents_total)
SELECT :id, c.tenant_id, c.id, i.id, i.space, i.chunker, :new_index, :space, :chunker, 'preparing',
       (SELECT count(*) FROM documents d WHERE d.collection_id = c.id
        AND d.deleted_at IS NULL AND d.live_version IS NOT NULL)
FROM collections c JOIN indexes i ON i.id = c.active_index WHERE c.id = :collection_id
""")
OPEN_OF = text("""
SELECT id, old_index, new_index, stage, missing, problems FROM reindexes
WHERE collection_id = :collection_id AND finished_at IS NULL FOR UPDATE
""")
SHOWN = text(f"""
SELECT r.id, c.name AS collection, r.stage, r.old_space, r.old_chunker, r.new_space, r.new_chunker,
       c.active_index = r.new_index AS new_answers, r.documents_total, r.documents, r.chunks,
       (SELECT count(*) FROM embed_queue q WHERE q.index_id = r.new_index AND q.seq >= {AGAIN}
       ) AS left,
       r.tokens, r.missing, r.problems, p.kind AS waiting_kind, p.code AS waiting_code,
       p.detail AS waiting_detail, p.until AS waiting_until,
       extract(epoch FROM now() - r.created_at)::float AS age_s,
       r.created_at, r.filled_at, r.moved_at, r.finished_at
FROM reindexes r JOIN collections c ON c.id = r.collection_id AND c.deleted_at IS NULL
LEFT JOIN parked_spaces p ON p.space = r.new_space AND p.until IS NOT NULL
WHERE c.name = :name ORDER BY r.created_at DESC LIMIT 1
""")  # noqa: S608 - a constant of another module
REBUILDING = text("""
SELECT EXISTS (SELECT FROM rebuilds WHERE collection_id = :collection_id AND finished_at IS NULL)
""")
ANSWER = text("UPDATE collections SET active_index = :index_id WHERE id = :collection_id")
MOVE_ANSWER = text("UPDATE reindexes SET stage = :stage, moved_at = now() WHERE id = :id")
LEAVE = text("""
UPDATE indexes i SET leaving_at = now()
FROM reindexes r JOIN collections c ON c.id = r.collection_id
WHERE r.id = :id AND i.id IN (r.old_index, r.new_index) AND i.id <> c.active_index
""")
REMOVE = text("""
UPDATE reindexes SET stage = 'removing', claim = NULL, lease_until = NULL WHERE id = :id
""")
# Nobody reads an index any more that answered until a while ago.
OPEN = text("""
SELECT r.id, r.tenant_id, r.stage, r.new_index, r.new_space, r.collection_id,
       CASE c.active_index WHEN r.new_index THEN r.old_index ELSE r.new_index END AS other_index,
       coalesce(r.moved_at < now() - make_interval(secs => :grace_s), true) AS unread
FROM reindexes r JOIN collections c ON c.id = r.collection_id AND c.deleted_at IS NULL
WHERE r.finished_at IS NULL ORDER BY r.created_at, r.id
""")
MOVE = text("UPDATE reindexes SET stage = :stage WHERE id = :id AND stage = :of")
FILLED = text("""
UPDATE reindexes SET stage = 'ready', filled_at = now(), missing = :missing
WHERE id = :id AND stage = :of
""")
LEFT = text(f"""
SELECT EXISTS (SELECT FROM embed_queue WHERE index_id = :index_id AND seq >= {AGAIN})
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class IndexedCollection:
    """A collection and the index that answers: its `space` and `chunker`."""

    id: UUID
    tenant_id: str
    active_index: UUID
    space: str
    chunker: str


@dataclass(frozen=True, slots=True)
class LockedReindex:
    """The open reindex of a locked collection."""

    id: UUID
    old_index: UUID
    new_index: UUID
    stage: ReindexStage
    missing: int
    problems: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NewIndex:
    """The index that a reindex fills."""

    id: UUID
    space: str
    chunker: str


@dataclass(frozen=True, slots=True)
class ReindexRow:
    """A reindex as it is shown.

    `documents` of `documents_total` were cut into `chunks` of `tokens` in all; `left` of the chunks
    are to be embedded. `waiting_…` is why the new space's provider does not embed, if it does not.
    """

    id: UUID
    collection: str
    stage: ReindexStage
    old_space: str
    old_chunker: str
    new_space: str
    new_chunker: str
    new_answers: bool
    documents_total: int
    documents: int
    chunks: int
    left: int
    tokens: int
    missing: int
    problems: Sequence[dict[str, Any]]
    waiting_kind: Literal["provider", "operator"] | None
    waiting_code: str | None
    waiting_detail: str | None
    waiting_until: datetime | None
    age_s: float
    created_at: datetime
    filled_at: datetime | None
    moved_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenReindex:
    """A reindex to go on with; `other_index` does not answer, `unread`: not for a while."""

    id: UUID
    tenant_id: str
    stage: ReindexStage
    collection_id: UUID
    new_index: UUID
    new_space: str
    other_index: UUID
    unread: bool


class Reindexes:
    """The reindexes' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction: a tenant's to begin and decide, the workers' to go on."""
        self._connection = connection

    async def collection(self, name: str, *, lock: bool = False) -> IndexedCollection | None:
        """Return a collection; None when there is none of that name.

        With `lock` nobody changes which indexes it has, or which answers, until the end.
        """
        if lock:
            await self._connection.execute(LOCK_COLLECTION, {"name": name})
        # A statement of its own: one that waited for the lock would join the index of before.
        result = await self._connection.execute(FIND_COLLECTION, {"name": name})
        row = result.mappings().one_or_none()
        return None if row is None else IndexedCollection(**row)

    async def open_of(self, collection_id: UUID) -> LockedReindex | None:
        """Lock and return the open reindex of a locked collection."""
        result = await self._connection.execute(OPEN_OF, {"collection_id": collection_id})
        row = result.mappings().one_or_none()
        return None if row is None else LockedReindex(**row)

    async def add(self, reindex_id: UUID, collection: IndexedCollection, index: NewIndex) -> None:
        """Begin: from here on new versions are written to both indexes."""
        parameters = {
            "id": reindex_id,
            "collection_id": collection.id,
            "tenant_id": collection.tenant_id,
            "new_index": index.id,
            "space": index.space,
            "chunker": index.chunker,
        }
        await self._connection.execute(ADD, parameters)
        await self._connection.execute(ADD_INDEX, parameters)

    async def newest(self, name: str) -> ReindexRow | None:
        """Return the newest reindex of a collection, open or done."""
        row = (await self._connection.execute(SHOWN, {"name": name})).mappings().one_or_none()
        return None if row is None else ReindexRow(**row)

    async def is_rebuilding(self, collection_id: UUID) -> bool:
        """Say whether the collection's points are being made anew."""
        result = await self._connection.execute(REBUILDING, {"collection_id": collection_id})
        return bool(result.scalar_one())

    async def let_answer(
        self, collection_id: UUID, reindex: LockedReindex, index_id: UUID, stage: ReindexStage
    ) -> None:
        """Let one of the two indexes answer every query that begins after this transaction."""
        await self._connection.execute(
            ANSWER, {"collection_id": collection_id, "index_id": index_id}
        )
        await self._connection.execute(MOVE_ANSWER, {"id": reindex.id, "stage": stage})

    async def begin_removal(self, reindex: LockedReindex) -> None:
        """Write nothing new to the index that does not answer; it goes."""
        await self._connection.execute(LEAVE, {"id": reindex.id})
        await self._connection.execute(REMOVE, {"id": reindex.id})

    async def open(self, *, grace_s: float) -> list[OpenReindex]:
        """Return the reindexes to go on with, oldest first."""
        result = await self._connection.execute(OPEN, {"grace_s": grace_s})
        return [OpenReindex(**row) for row in result.mappings()]

    async def move(self, reindex: OpenReindex, stage: ReindexStage) -> bool:
        """Let a reindex go on with another stage; False if it has left its own meanwhile."""
        parameters = {"id": reindex.id, "of": reindex.stage, "stage": stage}
        return bool((await self._connection.execute(MOVE, parameters)).rowcount)

    async def filled(self, reindex: OpenReindex, *, missing: int) -> bool:
        """Note that all is filled but `missing` chunks and versions; False if it moved on."""
        parameters = {"id": reindex.id, "of": reindex.stage, "missing": missing}
        return bool((await self._connection.execute(FILLED, parameters)).rowcount)

    async def is_left(self, index_id: UUID) -> bool:
        """Say whether chunks of the fill are still to be embedded."""
        return bool((await self._connection.execute(LEFT, {"index_id": index_id})).scalar_one())
