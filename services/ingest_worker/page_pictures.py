"""Pages drawn for those who want to see where a citation stands, in a parser process of its own.

One page at a time in each API process: drawing is for people who look, not for machines.
"""

import asyncio
from hashlib import sha256
from uuid import UUID, uuid4

from services.ingest_worker.parsing.base import Drawing, Source
from services.ingest_worker.parsing.process import ParserProcess
from services.ingest_worker.scratch import ScratchFolder
from shared.blobs.base import BlobStore
from shared.database.documents import Documents, StoredBytes
from shared.database.engine import Database
from shared.database.job_views import ChunkRow, ChunkViews
from shared.errors import NotFound, RateLimited
from shared.models import Box
from shared.settings import IngestSettings

DRAW_S = 20.0
# Who comes when so many wait is told to come again.
MOST_WAITING = 16
RETRY_AFTER_S = 5.0
# Changes with what a drawn page looks like.
STYLE = "page/1"


class PagePictures:
    """Finds what is to be drawn, and draws it."""

    def __init__(self, *, database: Database, blobs: BlobStore, settings: IngestSettings) -> None:
        """Take the stores and the parser's limits; nothing starts before the first page."""
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._parser: ParserProcess | None = None
        self._scratch: ScratchFolder | None = None
        self._waiting = 0
        self._turn = asyncio.Lock()

    async def find(
        self, tenant_id: str, document_id: UUID, *, version: int | None, chunk_id: UUID | None
    ) -> tuple[StoredBytes, tuple[Box, ...]]:
        """Return a version's bytes (the chunk's, else the live one, else the newest) and its boxes.

        Raises:
            NotFound: there is no such document or version, or it has no such chunk.
        """
        async with self._database.tenant(tenant_id) as connection:
            rows: list[ChunkRow] = []
            if chunk_id is not None:
                rows = await ChunkViews(connection).around(chunk_id, neighbours=0)
                version = _version_of(rows, document_id, version, chunk_id)
            stored = await Documents(connection).bytes_of(document_id, version)
        if stored is None:
            raise NotFound(f"There is no document {document_id}, or no such version of it.")
        boxes = (box for row in rows for box in row.boxes)
        return stored, tuple(map(Box.model_validate, boxes))

    async def draw(self, stored: StoredBytes, drawing: Drawing) -> bytes:
        """Return a page as PNG.

        Raises:
            NotFound: the file has no such page.
            TypeUnsupported: its pages have no looks of their own.
            RateLimited: too many are waiting.
        """
        if self._waiting >= MOST_WAITING:
            raise RateLimited("Too many pages are being drawn.", retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._draw(stored, drawing)
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        """End the parser process and remove what lies about."""
        if self._parser is not None:
            await self._parser.aclose()
            self._parser = None
        if self._scratch is not None:
            await asyncio.to_thread(self._scratch.remove)
            self._scratch = None

    async def _draw(self, stored: StoredBytes, drawing: Drawing) -> bytes:
        self._scratch = self._scratch or ScratchFolder()
        self._parser = self._parser or ParserProcess(self._settings, self._scratch.path)
        path = self._scratch.path / str(uuid4())
        source = Source(path=path, filename=stored.name, password=stored.password)
        try:
            await self._blobs.fetch(str(stored.blob_id), path)
            return await self._parser.draw(source, drawing, timeout_s=DRAW_S)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


def entity_tag(stored: StoredBytes, drawing: Drawing) -> str:
    """Return what changes when the drawn page does, as HTTP wants it (RFC 9110, 8.8.3)."""
    marks = "".join(mark.model_dump_json() for mark in drawing.marks)
    told = f"{STYLE} {stored.blob_id} {drawing.page} {drawing.longest} {marks}"
    return f'"{sha256(told.encode()).hexdigest()[:32]}"'


def _version_of(
    rows: list[ChunkRow], document_id: UUID, version: int | None, chunk_id: UUID
) -> int:
    for row in rows:
        if row.document_id == document_id and version in (None, row.version):
            return row.version
    raise NotFound(f"There is no chunk {chunk_id} in this version of the document.")
