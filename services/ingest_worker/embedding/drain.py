"""The embed step: pulls queued chunks across documents, embeds the unknown texts, writes points.

A known text takes its vector from the store; an unknown one is paid for once. What fails goes
back to the queue with a reason on its jobs; a provider that keeps failing parks its space.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from time import monotonic, perf_counter
from uuid import UUID

import structlog

from services.ingest_worker.embedding.budget import Budget, NoLimit
from services.ingest_worker.embedding.indexes import Indexes
from services.ingest_worker.embedding.paced import Room
from services.ingest_worker.embedding.packing import within
from services.ingest_worker.embedding.points import TextKey, point_of, shares, text_key
from services.ingest_worker.embedding.spoken import SpokenLanguages
from services.ingest_worker.embedding.texts import Embeddings, TextVectors, Vector
from services.ingest_worker.failures import outage_of, pause_s, waiting_after
from services.ingest_worker.leases import LeaseLost, while_leased
from shared.database.embed_queue import EmbedQueue, QueuedChunk, Took, Waiting
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parked_spaces import ParkedSpaces
from shared.embeddings.base import Embedder
from shared.embeddings.spaces import searched_space
from shared.embeddings.sparse import chunk_terms
from shared.errors import (
    CitewellError,
    DatabaseUnavailable,
    EmbeddingMisconfigured,
    EmbeddingUnauthorized,
)
from shared.identity import new_id
from shared.models import Stage
from shared.problems import problem_of
from shared.settings import IngestSettings
from shared.settings_embedding import EmbeddingSettings
from shared.vectors.base import VectorStore

log = structlog.get_logger(__name__)

LINGER_S = 0.15


@dataclass(frozen=True, slots=True)
class Report:
    """What one drain did."""

    chunks: int = 0
    documents: frozenset[UUID] = frozenset()

    def __add__(self, other: "Report") -> "Report":
        """Join two reports."""
        return Report(self.chunks + other.chunks, self.documents | other.documents)

    def summary(self) -> str:
        """Say it as Flower shows it."""
        return f"{self.chunks} chunks of {len(self.documents)} files"


@dataclass(frozen=True, slots=True)
class Claimed:
    """Chunks of one space under one claim; `failing`, `trying`: the provider's, as the row says."""

    id: UUID
    batch: Sequence[QueuedChunk]
    failing: bool = False
    trying: bool = False

    @property
    def space(self) -> str:
        """The space of all of them."""
        return self.batch[0].space


class Embedding:
    """Drains the embed queue."""

    def __init__(
        self,
        *,
        database: Database,
        vectors: VectorStore,
        embedder_of: Callable[[str], Embedder],
        settings: EmbeddingSettings,
        ingest: IngestSettings,
        grace_s: float,
        budget_of: Callable[[str], Budget] = lambda _: NoLimit(),
    ) -> None:
        """Take the stores, and a way to a space's embedder and to its key's budget."""
        self._database = database
        self._vectors = vectors
        self._texts = TextVectors(
            database=database, vectors=vectors, embedder_of=embedder_of, budget_of=budget_of
        )
        self._settings = settings
        self._lease_s = ingest.lease_s
        self._grace_s = grace_s
        self._spoken = SpokenLanguages(database)
        self._indexes = Indexes(database=database, vectors=vectors, folders=settings.model_dirs)
        # One slot at a time looks for work: together they would wait for the same chunks.
        self._looking = asyncio.Lock()
        self._found_nothing_at = 0.0
        self._busy = 0

    async def drain(self, *, budget_s: float) -> Report:
        """Embed what is queued until nothing is left or the budget is used; several at once."""
        end = monotonic() + budget_s
        slots = [self._drain(end) for _ in range(self._settings.slots)]
        return sum(await asyncio.gather(*slots), start=Report())

    async def _drain(self, end: float) -> Report:
        done = Report()
        while monotonic() < end:
            report = await self._embed_claim()
            if report is not None:
                done += report
            elif self._busy:
                # While others work more may come; the drain is not over before they are.
                await asyncio.sleep(LINGER_S)
            else:
                break
        return done

    async def _embed_claim(self) -> Report | None:
        claimed = await self._claim()
        if claimed is None:
            return None
        self._busy += 1
        try:
            return await self._embed_batch(claimed)
        finally:
            self._busy -= 1

    async def _claim(self) -> Claimed | None:
        """Claim what has waited longest, one slot at a time.

        Whoever waited for another to look, which found nothing, need not look again.
        """
        asked = monotonic()
        async with self._looking:
            if self._found_nothing_at >= asked:
                return None
            claimed = await self._claim_when_full()
            if claimed is None:
                self._found_nothing_at = monotonic()
            return claimed

    async def _claim_when_full(self) -> Claimed | None:
        """Wait a moment while a request is still filling, then claim."""
        claimed = await self._claim_or_linger(patient=True)
        if isinstance(claimed, float):
            await asyncio.sleep(claimed)
            claimed = await self._claim_or_linger(patient=False)
        return claimed if isinstance(claimed, Claimed) else None

    async def _claim_or_linger(self, *, patient: bool) -> Claimed | float | None:
        """Return a claim, or, while `patient`, the seconds to wait for a fuller one."""
        async with self._database.worker() as connection:
            queue = EmbedQueue(connection)
            waiting = await queue.waiting(most=self._settings.batch_inputs)
            if waiting is None:
                return None
            room = self._room(waiting.space)
            if patient and waiting.chunks < room.inputs and waiting.tokens < room.tokens:
                return room.linger_s
            if waiting.parked and not await ParkedSpaces(connection).try_one(
                waiting.space, hold_s=self._lease_s
            ):
                return None
            claim = new_id()
            batch = await queue.claim(
                waiting.space,
                claim=claim,
                inputs=room.inputs,
                tokens=room.tokens,
                lease_s=self._lease_s,
            )
        return self._claimed(claim, batch, waiting)

    def _claimed(self, claim: UUID, batch: list[QueuedChunk], waiting: Waiting) -> Claimed | None:
        if not batch:
            return None
        return Claimed(claim, batch, failing=waiting.failing, trying=waiting.parked)

    def _room(self, space: str) -> Room:
        """Return how much one request of a space may hold."""
        known = searched_space(space, self._settings.model_dirs)
        tokens = min(self._settings.batch_tokens, known.batch_tokens)
        usual = Room(self._settings.batch_inputs, tokens, LINGER_S)
        try:
            return self._texts.embedder(space).room(usual)
        except (EmbeddingUnauthorized, EmbeddingMisconfigured):
            # Without a key or a model nothing is sent; the claim finds out and parks the space.
            return usual

    async def _embed_batch(self, claimed: Claimed) -> Report | None:
        async def renew() -> bool:
            return await self._renew(claimed)

        try:
            await while_leased(
                self._embed(claimed),
                renew,
                every_s=self._lease_s / 3,
                limit_s=self._settings.claim_timeout_s,
            )
        except (LeaseLost, DatabaseUnavailable):
            return None
        except CitewellError as error:
            await self._give_back(claimed, error)
            return None
        except asyncio.CancelledError:
            await self._release(claimed, claimed.batch, delay_s=0, counted=False)
            raise
        return _report(claimed.batch)

    async def _renew(self, claimed: Claimed) -> bool:
        async with self._database.worker() as connection:
            if claimed.trying:
                await ParkedSpaces(connection).hold(claimed.space, hold_s=self._lease_s)
            return await EmbedQueue(connection).renew(claimed.id, lease_s=self._lease_s) > 0

    async def _embed(self, claimed: Claimed) -> None:
        """Embed a claim's chunks and write their points; raise what stopped the rest of them."""
        batch, rest = within(claimed.batch)
        if rest:
            await self._release(claimed, rest, delay_s=0, counted=False)
        # Before anything is paid for: a store that is down must not cost a batch at each try.
        await self._indexes.make(batch)
        began = perf_counter()
        done = await self._texts.of(batch)
        embed_ms = _ms(perf_counter() - began)
        await self._note_answer(claimed, done)
        await self._refuse(claimed.id, batch, done)
        kept = [chunk for chunk in batch if text_key(chunk) in done.vectors]
        await self._finish(claimed.id, kept, done, embed_ms=embed_ms)
        if done.error is not None:
            raise done.error

    async def _note_answer(self, claimed: Claimed, done: Embeddings) -> None:
        """Take a failing provider's space up again once it answered."""
        if not claimed.failing or done.error is not None:
            return
        async with self._database.worker() as connection:
            if done.made or done.refused:
                await ParkedSpaces(connection).clear(claimed.space)
            elif claimed.trying:
                await ParkedSpaces(connection).let_try(claimed.space)

    async def _refuse(self, claim: UUID, batch: Sequence[QueuedChunk], done: Embeddings) -> None:
        for chunk in batch:
            error = done.refused.get(text_key(chunk))
            if error is None:
                continue
            async with self._database.worker() as connection:
                await Jobs(connection).fail(chunk.job_id, problem_of(error, Stage.EMBED))
                # A chunk queued by a repair has a job that ended long ago.
                await EmbedQueue(connection).drop(claim, [chunk.chunk_id])

    async def _finish(
        self, claim: UUID, kept: Sequence[QueuedChunk], done: Embeddings, *, embed_ms: int
    ) -> None:
        if not kept:
            return
        began = perf_counter()
        await self._write_points(kept, done.vectors)
        took = Took(embed_ms, _ms(perf_counter() - began))
        async with self._database.worker() as connection:
            paid = shares(kept, done.made)
            await EmbedQueue(connection).complete(
                claim, kept, paid, grace_s=self._grace_s, took=took
            )

    async def _write_points(
        self, batch: Sequence[QueuedChunk], vectors: dict[TextKey, Vector]
    ) -> None:
        by_index: dict[UUID, list[QueuedChunk]] = defaultdict(list)
        for chunk in batch:
            by_index[chunk.index_id].append(chunk)
        for index_id, mine in by_index.items():
            told = [chunk_terms(chunk.text) for chunk in mine]
            await self._spoken.note(index_id, chain.from_iterable(one.languages for one in told))
            points = [
                point_of(chunk, vectors[text_key(chunk)], one.vector)
                for chunk, one in zip(mine, told, strict=True)
            ]
            await self._vectors.upsert(index_id, points)

    async def _give_back(self, claimed: Claimed, error: CitewellError) -> None:
        """Give chunks back after a failure; a provider that keeps failing parks their space."""
        delay_s = pause_s(error, attempts=claimed.batch[0].attempts)
        log.warning("embedding_waits", code=error.code, detail=error.detail, delay_s=delay_s)
        self._indexes.forget()
        async with self._database.worker() as connection:
            jobs = list({chunk.job_id for chunk in claimed.batch})
            await Jobs(connection).wait(jobs, waiting_after(error))
            outage = outage_of(error)
            parked = outage is not None and await ParkedSpaces(connection).failed(
                claimed.space, outage, trying=claimed.trying
            )
        # A parked space's row holds its chunks back, and lets them go all at once.
        await self._release(
            claimed, claimed.batch, delay_s=0 if parked else delay_s, counted=not parked
        )

    async def _release(
        self, claimed: Claimed, batch: Sequence[QueuedChunk], *, delay_s: float, counted: bool
    ) -> None:
        chunk_ids = [chunk.chunk_id for chunk in batch]
        async with self._database.worker() as connection:
            await EmbedQueue(connection).release(
                claimed.id, chunk_ids, delay_s=delay_s, counted=counted
            )


def _report(batch: Sequence[QueuedChunk]) -> Report:
    return Report(len(batch), frozenset(chunk.document_id for chunk in batch))


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
