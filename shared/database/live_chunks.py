"""What a query may see: the index that answers for a collection, and the chunks that are live.

Visibility is decided here and nowhere else, in the statement that reads the text: what a search
brought back counts only while its version is the document's live one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ACTIVE = text("""
SELECT i.id, i.space, i.ready, i.analyser, i.languages, c.fields,
       (SELECT coalesce(sum(g.raised), 0)::bigint FROM generations g
        WHERE g.collection_id = c.id) AS generation
FROM collections c JOIN indexes i ON i.id = c.active_index
WHERE c.name = :name AND c.deleted_at IS NULL
""")

# The index that answers, and the one that is filled or kept beside it.
PAIR = text("""
SELECT i.id, i.space, i.ready, i.analyser, i.languages, c.fields,
       (SELECT coalesce(sum(g.raised), 0)::bigint FROM generations g
        WHERE g.collection_id = c.id) AS generation
FROM collections c
JOIN reindexes r ON r.collection_id = c.id AND r.finished_at IS NULL
JOIN indexes i ON i.id IN (r.old_index, r.new_index) AND i.leaving_at IS NULL
WHERE c.name = :name AND c.deleted_at IS NULL ORDER BY i.id <> c.active_index
""")
# By their hashes chunks are in no order that has to do with what they say.
SAMPLE = text("""
SELECT c.text, c.document_id FROM chunks c
JOIN versions v ON v.id = c.version_id
JOIN documents d ON d.id = c.document_id AND d.deleted_at IS NULL AND v.number = d.live_version
WHERE c.index_id = :index_id ORDER BY c.text_sha256 LIMIT :limit
""")

_LIVE = """
SELECT c.id, c.document_id, c.version_id, v.number AS version, c.ordinal, c.text, c.tokens,
       c.page_start, c.page_end, c.page_turns, c.section, c.boxes, d.name AS filename, d.attributes,
       d.file_id
FROM chunks c
JOIN versions v ON v.id = c.version_id
JOIN documents d ON d.id = c.document_id AND d.deleted_at IS NULL AND v.number = d.live_version
"""
# As rows: a list of ids Postgres would intersect with every chunk that the index has.
_THESE = "JOIN unnest(CAST(:ids AS uuid[])) AS w(id) ON w.id = c.id WHERE c.index_id = :index_id"
LIVE = text(f"{_LIVE} {_THESE}")

# By the key of chunks: two numbers tell where each stands.
LIVE_AT = text(f"""{_LIVE}
JOIN unnest(CAST(:versions AS uuid[]), CAST(:ordinals AS int[])) AS w(version_id, ordinal)
  ON w.version_id = c.version_id AND w.ordinal = c.ordinal
WHERE c.index_id = :index_id
""")

# Of the index that answers alone: while a collection is reindexed its chunks are there twice.
_ANSWERING = "JOIN collections k ON k.id = d.collection_id AND k.active_index = c.index_id"
ON_PAGE = text(f"""{_LIVE} {_ANSWERING}
WHERE c.document_id = :document_id AND c.page_start <= :page AND c.page_end >= :page
  AND c.ordinal >= :from_ordinal ORDER BY c.ordinal LIMIT :limit
""")
ONE = text(f"{_LIVE} {_ANSWERING} WHERE c.id = :id")

LIVE_VERSIONS = text("""
SELECT v.id, l.id AS live FROM versions v
JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
JOIN versions l ON l.document_id = d.id AND l.number = d.live_version
WHERE v.id = ANY(:ids)
""")


@dataclass(frozen=True, slots=True)
class ActiveIndex:
    """The index that answers for a collection; until it is `ready` it holds nothing.

    `analyser` made its sparse terms, empty if that was not told; `languages` says about how many
    of its chunks each language has. `generation` rises in each transaction that changes what a
    search of the collection may find; `fields` are the types of its attributes known so far.
    """

    id: UUID
    space: str
    ready: bool
    analyser: str
    languages: Mapping[str, int]
    generation: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SampledChunk:
    """A live chunk's text, and whose it is."""

    text: str
    document_id: UUID


@dataclass(frozen=True, slots=True)
class LiveChunk:
    """A chunk that may be shown, with what is needed to cite it.

    `tokens` are those of its index's space; `boxes` are where it stands on its pages
    (`{page, x0, y0, x1, y1}`, points from the top left).
    """

    id: UUID
    document_id: UUID
    version_id: UUID
    version: int
    ordinal: int
    text: str
    tokens: int
    page_start: int
    page_end: int
    page_turns: Sequence[tuple[int, int]]
    section: Sequence[str]
    boxes: Sequence[Mapping[str, Any]]
    filename: str
    attributes: Mapping[str, Any]
    # The kept file its document was made of, if it was.
    file_id: UUID | None = None

    @property
    def source_id(self) -> UUID:
        """The kept file its document was made of, else the document itself."""
        return self.file_id or self.document_id

    def page_at(self, offset: int) -> int:
        """Return the page on which the character at `offset` of the text stands."""
        begun = [page for start, page in self.page_turns if start <= offset]
        return begun[-1] if begun else self.page_start


class LiveChunks:
    """The query side's reads, inside a tenant's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def active_index(self, collection: str) -> ActiveIndex | None:
        """Return the index that answers for a collection, or None if there is no such."""
        result = await self._connection.execute(ACTIVE, {"name": collection})
        row = result.mappings().one_or_none()
        return ActiveIndex(**row) if row else None

    async def pair(self, collection: str) -> list[ActiveIndex]:
        """Return both indexes of a collection that is being reindexed, the one that answers first.

        One or none when there are no two.
        """
        result = await self._connection.execute(PAIR, {"name": collection})
        return [ActiveIndex(**row) for row in result.mappings()]

    async def sample(self, index_id: UUID, *, limit: int) -> list[SampledChunk]:
        """Return up to `limit` live chunks of an index, whichever."""
        result = await self._connection.execute(SAMPLE, {"index_id": index_id, "limit": limit})
        return [SampledChunk(**row) for row in result.mappings()]

    async def read(self, index_id: UUID, ids: Sequence[UUID]) -> dict[UUID, LiveChunk]:
        """Return those of these chunks that are live in this statement's snapshot."""
        if not ids:
            return {}
        result = await self._connection.execute(LIVE, {"index_id": index_id, "ids": list(ids)})
        return {row["id"]: LiveChunk(**row) for row in result.mappings()}

    async def read_at(
        self, index_id: UUID, places: Collection[tuple[UUID, int]]
    ) -> list[LiveChunk]:
        """Return the chunks with these versions and ordinals that are live in this snapshot."""
        if not places:
            return []
        versions, ordinals = zip(*places, strict=True)
        result = await self._connection.execute(
            LIVE_AT,
            {"index_id": index_id, "versions": list(versions), "ordinals": list(ordinals)},
        )
        return [LiveChunk(**row) for row in result.mappings()]

    async def on_page(
        self, document_id: UUID, page: int, *, from_ordinal: int, limit: int
    ) -> list[LiveChunk]:
        """Return up to `limit` live chunks that stand on a page, in order, from one on."""
        parameters = {"document_id": document_id, "page": page}
        result = await self._connection.execute(
            ON_PAGE, parameters | {"from_ordinal": from_ordinal, "limit": limit}
        )
        return [LiveChunk(**row) for row in result.mappings()]

    async def one(self, chunk_id: UUID) -> LiveChunk | None:
        """Return a chunk if it is live in this statement's snapshot."""
        row = (await self._connection.execute(ONE, {"id": chunk_id})).mappings().one_or_none()
        return None if row is None else LiveChunk(**row)

    async def live_versions(self, ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Return the live version of each version's document, where it has one."""
        result = await self._connection.execute(LIVE_VERSIONS, {"ids": list(ids)})
        return {row.id: row.live for row in result}
