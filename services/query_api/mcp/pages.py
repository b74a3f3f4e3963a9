"""A page's text, put together from the live chunks that stand on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.query_api.retrieval.joining import pieces
from shared.database.engine import Database
from shared.database.live_chunks import LiveChunk, LiveChunks
from shared.errors import NotFound

# About 10,000 tokens in the largest chunks: what is one page may be a whole book.
MOST_CHUNKS = 20


@dataclass(frozen=True, slots=True)
class PageText:
    """A page; `chunks` are those that stand on it, from one on. `more` if others follow."""

    page: int
    chunks: Sequence[LiveChunk]
    more: bool

    @property
    def text(self) -> str:
        """What of the chunks stands on the page; what two of them share stands there once."""
        return "".join(pieces([part_on(chunk, self.page) for chunk in self.chunks])).strip()

    @property
    def next_ordinal(self) -> int | None:
        """Where the rest begins."""
        return self.chunks[-1].ordinal + 1 if self.more else None


class PageTexts:
    """Reads pages and chunks that are live."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def page(
        self, tenant_id: str, document_id: UUID, page: int, *, from_ordinal: int = 0
    ) -> PageText:
        """Return a page from one of its chunks on.

        Raises:
            NotFound: there is no such document, it is not live, or has no text on such a page.
            DatabaseUnavailable: Postgres does not answer.
        """
        reading = self._read(tenant_id, document_id, page, from_ordinal)
        chunks = await self._database.in_time(reading)
        if not chunks:
            raise NotFound(f"Document {document_id} has no text on page {page}, or is not there.")
        return PageText(page, chunks[:MOST_CHUNKS], more=len(chunks) > MOST_CHUNKS)

    async def chunk(self, tenant_id: str, chunk_id: UUID) -> LiveChunk:
        """Return a chunk.

        Raises:
            NotFound: there is no such chunk, or it is not live.
            DatabaseUnavailable: Postgres does not answer.
        """
        chunk = await self._database.in_time(self._read_chunk(tenant_id, chunk_id))
        if chunk is None:
            raise NotFound(f"There is no chunk {chunk_id}.")
        return chunk

    async def _read(
        self, tenant_id: str, document_id: UUID, page: int, from_ordinal: int
    ) -> list[LiveChunk]:
        async with self._database.tenant(tenant_id) as connection:
            return await LiveChunks(connection).on_page(
                document_id, page, from_ordinal=from_ordinal, limit=MOST_CHUNKS + 1
            )

    async def _read_chunk(self, tenant_id: str, chunk_id: UUID) -> LiveChunk | None:
        async with self._database.tenant(tenant_id) as connection:
            return await LiveChunks(connection).one(chunk_id)


def part_on(chunk: LiveChunk, page: int) -> str:
    """Return what of a chunk's text stands on a page."""
    begins = [(0, chunk.page_start), *((start, turned) for start, turned in chunk.page_turns)]
    ends = [*(start for start, _ in begins[1:]), len(chunk.text)]
    runs = zip(begins, ends, strict=True)
    return "".join(chunk.text[start:end] for (start, stands), end in runs if stands == page)
