"""The workers' steps in a test's own process: real parser and database, a double embedder."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from typing_extensions import override

from services.ingest_worker.embedding.drain import Embedding
from services.ingest_worker.jobs import parse
from services.ingest_worker.jobs.chunk import ChunkStep
from services.ingest_worker.jobs.cutter import SectionCutter
from services.ingest_worker.jobs.parse import ParseStep
from services.ingest_worker.jobs.reader import PartReader
from services.ingest_worker.jobs.recut import RecutStep
from services.ingest_worker.parsing.process import ParserProcess
from services.ingest_worker.uploads.members import MemberDoor
from shared.database.parts import Parts
from shared.database.reindex_slices import ReindexSlices
from shared.embeddings.base import Embedded, Embedder
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.spaces import FAKE
from shared.errors import EmbeddingRejected, EmbeddingUnavailable
from shared.tokens.build import build_tokenizer
from tests.support.ingest_api import IngestApi


def member_door(api: IngestApi) -> MemberDoor:
    """Return where files inside files go."""
    context = api.context
    return MemberDoor(
        database=context.database,
        blobs=context.blobs,
        settings=context.settings.ingest,
        min_free_bytes=0,
    )


class FailingEmbedder(HashingEmbedder):
    """An embedder that answers some calls and is then down."""

    left = math.inf
    refusals = 0
    texts = 0

    def refuse_once(self) -> None:
        self.refusals = 1

    def fails_after(self, calls: int) -> None:
        self.left = calls

    @override
    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        if self.left <= 0:
            self.failure = EmbeddingUnavailable()
            self.left = math.inf
        self.left -= 1
        if self.refusals:
            self.refusals -= 1
            raise EmbeddingRejected
        embedded = await super().embed_documents(texts)
        self.texts += len(texts)
        return embedded


class Workers:
    """Does the workers' steps in the test's own process, without a broker."""

    def __init__(
        self,
        api: IngestApi,
        parser: ParserProcess,
        scratch: Path,
        embedder_of: Callable[[str], Embedder] | None = None,
    ) -> None:
        """Take the API's parts; all spaces have the deterministic double unless told otherwise."""
        context = api.context
        settings = context.settings
        self._database = context.database
        self.embedder = FailingEmbedder(FAKE)
        reader = PartReader(
            database=context.database,
            blobs=context.blobs,
            parser=parser,
            scratch=scratch,
            members=member_door(api),
        )
        cutter = SectionCutter(cache(build_tokenizer), settings.embedding.model_dirs)
        self._parse = ParseStep(
            database=context.database, reader=reader, cutter=cutter, settings=settings.ingest
        )
        self._chunk = ChunkStep(database=context.database, cutter=cutter, settings=settings.ingest)
        self._recut = RecutStep(database=context.database, cutter=cutter, settings=settings.ingest)
        self._embedding = Embedding(
            database=context.database,
            vectors=api.vectors,
            embedder_of=embedder_of or (lambda _: self.embedder),
            settings=settings.embedding.model_copy(update={"batch_inputs": 2, "slots": 1}),
            ingest=settings.ingest,
            grace_s=16,
        )

    async def work(self, *jobs: UUID) -> None:
        """Parse what waits, chunk these jobs too, and embed until nothing is left."""
        async with self._database.worker() as connection:
            waiting = await Parts(connection).take_waiting(room=100)
        _, last = await self._parse.run([part.key for part in waiting])
        for job_id in (*last, *jobs):
            await self._chunk.run(job_id)
        await self._embedding.drain(budget_s=30)

    async def recut(self, *, slices: int = 100) -> list[str]:
        """Cut the documents of reindexes anew, until none is left or for so many slices."""
        told: list[str] = []
        for _ in range(slices):
            async with self._database.worker() as connection:
                waiting = await ReindexSlices(connection).take_waiting(most=9, after_s=10)
            if not waiting:
                break
            told += [await self._recut.run(reindex_id) for reindex_id in waiting]
        return told

    async def embed(self) -> None:
        """Embed until nothing is left."""
        await self._embedding.drain(budget_s=30)


@asynccontextmanager
async def working(
    api: IngestApi, scratch: Path, embedder_of: Callable[[str], Embedder] | None = None
) -> AsyncIterator[Workers]:
    parser = ParserProcess(api.context.settings.ingest, scratch)
    with pytest.MonkeyPatch.context() as patch:
        # On a busy machine a message's time is over early, and what is not begun is given back.
        patch.setattr(parse, "GROUP_S", math.inf)
        try:
            yield Workers(api, parser, scratch, embedder_of)
        finally:
            await parser.aclose()
