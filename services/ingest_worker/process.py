"""What one worker process makes once and closes once, and its one event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import cache
from types import FrameType
from typing import Any
from uuid import UUID

from services.ingest_worker.dispatch import Dispatcher
from services.ingest_worker.embedding.budgets import Budgets
from services.ingest_worker.embedding.drain import Embedding
from services.ingest_worker.following.pruning import prune_events
from services.ingest_worker.jobs.chunk import ChunkStep
from services.ingest_worker.jobs.cutter import SectionCutter
from services.ingest_worker.jobs.parse import ParseStep
from services.ingest_worker.jobs.reader import PartReader
from services.ingest_worker.jobs.recut import RecutStep
from services.ingest_worker.messages import Publisher
from services.ingest_worker.parsing.process import ParserProcess
from services.ingest_worker.quality_clock import QualityClock
from services.ingest_worker.scratch import ScratchFolder
from services.ingest_worker.upkeep.retention import prune_answers
from services.ingest_worker.uploads.members import MemberDoor
from shared.blobs.build import build_blob_store
from shared.database.engine import build_database
from shared.database.idempotency_keys import IdempotencyKeys
from shared.database.parts import PartKey
from shared.embeddings.build import Embedders
from shared.settings import Settings
from shared.tokens.build import build_tokenizer
from shared.vectors.build import build_vector_store

# One embed task works for this long, then makes room for other tasks of its queue.
EMBED_TASK_S = 20.0


class WorkerContext:
    """The use cases a worker process runs, wired once."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        """Build everything; nothing connects before it is used."""
        self._settings = settings
        self._publisher = publisher
        self._blobs = build_blob_store(settings.blobs)
        self._database = build_database(settings.database)
        self._vectors = build_vector_store(settings.qdrant)
        self._embedders = Embedders(settings)
        self._budgets = Budgets(settings)
        self._scratch = ScratchFolder()
        self._parser = ParserProcess(settings.ingest, self._scratch.path)
        self._dispatcher = Dispatcher(
            database=self._database, publisher=publisher, settings=settings.ingest
        )
        self._cutter = SectionCutter(cache(build_tokenizer), settings.embedding.model_dirs)
        self._parse = self._build_parse_step()
        self._chunk = ChunkStep(
            database=self._database, cutter=self._cutter, settings=settings.ingest
        )
        self._recut = RecutStep(
            database=self._database, cutter=self._cutter, settings=settings.ingest
        )
        self._embedding = self._build_embedding()

    async def warm_up(self) -> None:
        """Start the parser process, so that the first file need not wait for it."""
        await self._parser.start()

    async def parse_parts(self, keys: Sequence[PartKey]) -> str:
        """Parse parts, and chunk the documents whose last part was among them."""
        done, job_ids = await self._parse.run(keys)
        for job_id in job_ids:
            done = f"{done}; {await self._chunk.run(job_id)}"
        await self._dispatcher.dispatch()
        return done

    async def chunk_job(self, job_id: UUID) -> str:
        """Chunk a document whose parts are all in."""
        done = await self._chunk.run(job_id)
        await self._dispatcher.dispatch()
        return done

    async def recut_documents(self, reindex_id: UUID) -> str:
        """Cut the next documents of a collection for its new index."""
        done = await self._recut.run(reindex_id)
        await self._dispatcher.dispatch()
        return done

    async def embed_chunks(self) -> str:
        """Embed what is queued, for a while."""
        report = await self._embedding.drain(budget_s=EMBED_TASK_S)
        await self._dispatcher.dispatch()
        return report.summary()

    async def clean_up(self) -> str:
        """Remove what is kept for some days only."""
        removed = await prune_events(self._database)
        answers = await prune_answers(self._database, days=self._settings.trail.days)
        async with self._database.worker() as connection:
            keys = await IdempotencyKeys(connection).prune()
        return f"{removed} events removed, {keys} idempotency keys, {answers} answers"

    async def watch_quality(self) -> str:
        """Tell the query service whose canaries are due."""
        clock = QualityClock(self._database, self._settings.quality, self._settings.auth)
        return await clock.tick()

    async def aclose(self) -> None:
        """Close everything, and remove this process's scratch folder."""
        await self._parser.aclose()
        await self._embedders.aclose()
        await self._budgets.aclose()
        await self._vectors.aclose()
        await self._database.aclose()
        self._blobs.close()
        self._publisher.close()
        await asyncio.to_thread(self._scratch.remove)

    def _build_parse_step(self) -> ParseStep:
        members = MemberDoor(
            database=self._database,
            blobs=self._blobs,
            settings=self._settings.ingest,
            min_free_bytes=self._settings.blobs.min_free_bytes,
        )
        reader = PartReader(
            database=self._database,
            blobs=self._blobs,
            parser=self._parser,
            scratch=self._scratch.path,
            members=members,
        )
        return ParseStep(
            database=self._database,
            reader=reader,
            cutter=self._cutter,
            settings=self._settings.ingest,
        )

    def _build_embedding(self) -> Embedding:
        return Embedding(
            database=self._database,
            vectors=self._vectors,
            embedder_of=self._embedders.of,
            budget_of=self._budgets.of,
            settings=self._settings.embedding,
            ingest=self._settings.ingest,
            grace_s=self._settings.late_write_s,
        )


class WorkerProcess:
    """The process's event loop: a Celery task hands a coroutine to it and waits."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        """Start the loop and build the context in it."""
        self._runner = asyncio.Runner()
        self._task: asyncio.Task[str] | None = None
        self._context = self._runner.run(_build(settings, publisher))

    def run(self, work: Callable[[WorkerContext], Coroutine[Any, Any, str]]) -> str:
        """Run one use case to its end.

        Raises:
            SystemExit: the process was told to stop; the work was given back.
        """
        try:
            return self._runner.run(self._tracked(work))
        except asyncio.CancelledError:
            raise SystemExit from None

    def warm_up(self) -> None:
        """Start what takes long to start."""
        self._runner.run(self._context.warm_up())

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Give back the work under way and end: the handler of SIGTERM."""
        if self._task is None:
            raise SystemExit
        self._runner.get_loop().call_soon_threadsafe(self._task.cancel)

    def close(self) -> None:
        """Close the context and the loop."""
        self._runner.run(self._context.aclose())
        self._runner.close()

    async def _tracked(self, work: Callable[[WorkerContext], Coroutine[Any, Any, str]]) -> str:
        self._task = asyncio.ensure_future(work(self._context))
        try:
            return await self._task
        finally:
            self._task = None


async def _build(settings: Settings, publisher: Publisher) -> WorkerContext:
    return WorkerContext(settings, publisher)
