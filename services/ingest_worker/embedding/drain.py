"""The embed step: pulls queued chunks across documents, embeds the unknown texts, writes points.

A known text takes its vector from the store; an unknown one is paid for once. What fails goes
back to the queue with a reason on its jobs; nothing is retried here in a loop.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from uuid import UUID

import structlog

from services.ingest_worker.embedding.points import TextKey, point_of, shares, text_key
from services.ingest_worker.failures import pause_s, waiting_after
from services.ingest_worker.leases import LeaseLost, while_leased
from shared.database.chunks import Chunks
from shared.database.embed_queue import EmbedQueue, QueuedChunk, Took
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.embeddings.base import Embedder
from shared.embeddings.spaces import embedding_space
from shared.errors import (
    CitewellError,
    DatabaseUnavailable,
    EmbeddingRejected,
)
from shared.identity import new_id
from shared.models import Stage
from shared.problems import problem_of
from shared.settings import EmbeddingSettings, IngestSettings
from shared.vectors.base import VectorStore

log = structlog.get_logger(__name__)

Vector = Sequence[float]

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
    ) -> None:
        """Take the stores and a way to the embedder of a space."""
        self._database = database
        self._vectors = vectors
        self._embedder_of = embedder_of
        self._settings = settings
        self._lease_s = ingest.lease_s
        self._grace_s = grace_s
        self._ready: set[UUID] = set()

    async def drain(self, *, budget_s: float) -> Report:
        """Embed what is queued until nothing is left or the budget is used; several at once."""
        end = asyncio.get_running_loop().time() + budget_s
        slots = [self._drain(end) for _ in range(self._settings.slots)]
        return sum(await asyncio.gather(*slots), start=Report())

    async def _drain(self, end: float) -> Report:
        done = Report()
        while asyncio.get_running_loop().time() < end:
            report = await self._embed_claim()
            if report is None:
                break
            done += report
        return done

    async def _linger(self) -> None:
        """Wait a moment for a fuller batch while one is still filling."""
        async with self._database.worker() as connection:
            ready = await EmbedQueue(connection).ready(most=self._settings.batch_inputs)
        if 0 < ready < self._settings.batch_inputs:
            await asyncio.sleep(LINGER_S)

    async def _embed_claim(self) -> Report | None:
        await self._linger()
        claim = new_id()
        async with self._database.worker() as connection:
            queue = EmbedQueue(connection)
            space = await queue.oldest_space()
            if space is None:
                return None
            batch = await queue.claim(
                space,
                claim=claim,
                inputs=self._settings.batch_inputs,
                tokens=self._most_tokens(space),
                lease_s=self._lease_s,
            )
        return await self._embed_batch(claim, batch) if batch else None

    def _most_tokens(self, space: str) -> int:
        return min(self._settings.batch_tokens, embedding_space(space).batch_tokens)

    async def _embed_batch(self, claim: UUID, batch: list[QueuedChunk]) -> Report | None:
        async def renew() -> bool:
            async with self._database.worker() as connection:
                return await EmbedQueue(connection).renew(claim, lease_s=self._lease_s) > 0

        try:
            await while_leased(
                self._embed(claim, batch),
                renew,
                every_s=self._lease_s / 3,
                limit_s=self._settings.claim_timeout_s,
            )
        except (LeaseLost, DatabaseUnavailable):
            return None
        except CitewellError as error:
            await self._give_back(claim, batch, error)
            return None
        except asyncio.CancelledError:
            await self._release(claim, batch, delay_s=0, counted=False)
            raise
        return Report(len(batch), frozenset(chunk.document_id for chunk in batch))

    async def _embed(self, claim: UUID, batch: list[QueuedChunk]) -> None:
        began = perf_counter()
        known = await self._known_vectors(batch)
        unknown = {key: c for c in batch if (key := text_key(c)) not in known}
        made, refused = await self._embed_texts(batch[0].space, unknown)
        await self._refuse(claim, [chunk for chunk in batch if text_key(chunk) in refused], refused)
        kept = [chunk for chunk in batch if text_key(chunk) not in refused]
        embedded = perf_counter()
        await self._write_points(kept, known | made)
        took = Took(_ms(embedded - began), _ms(perf_counter() - embedded))
        async with self._database.worker() as connection:
            paid = shares(kept, set(made))
            await EmbedQueue(connection).complete(
                claim, kept, paid, grace_s=self._grace_s, took=took
            )

    async def _known_vectors(self, batch: Sequence[QueuedChunk]) -> dict[TextKey, Vector]:
        by_tenant: dict[str, set[bytes]] = defaultdict(set)
        for chunk in batch:
            by_tenant[chunk.tenant_id].add(bytes(chunk.text_sha256))
        places: dict[UUID, dict[UUID, TextKey]] = defaultdict(dict)
        async with self._database.worker() as connection:
            for tenant, hashes in by_tenant.items():
                twins = await Chunks(connection).twins(tenant, batch[0].space, sorted(hashes))
                for text_hash, (index_id, chunk_id) in twins.items():
                    places[index_id][chunk_id] = (tenant, text_hash)
        known: dict[TextKey, Vector] = {}
        for index_id, keys in places.items():
            found = await self._vectors.dense_vectors(index_id, list(keys))
            known |= {keys[chunk_id]: vector for chunk_id, vector in found.items()}
        return known

    async def _embed_texts(
        self, space: str, unknown: dict[TextKey, QueuedChunk]
    ) -> tuple[dict[TextKey, Vector], dict[TextKey, CitewellError]]:
        """Embed texts; a refused batch is halved until the refused texts stand alone."""
        if not unknown:
            return {}, {}
        keys = list(unknown)
        try:
            embedder = self._embedder_of(space)
            embedded = await embedder.embed_documents([unknown[key].text for key in keys])
        except EmbeddingRejected as error:
            if len(keys) == 1:
                return {}, {keys[0]: error}
        else:
            return dict(zip(keys, embedded.vectors.tolist(), strict=True)), {}
        middle = len(keys) // 2
        made, refused = await self._embed_texts(space, {k: unknown[k] for k in keys[:middle]})
        more, also = await self._embed_texts(space, {k: unknown[k] for k in keys[middle:]})
        return made | more, refused | also

    async def _refuse(
        self, claim: UUID, chunks: Sequence[QueuedChunk], refused: dict[TextKey, CitewellError]
    ) -> None:
        for chunk in chunks:
            error = refused[text_key(chunk)]
            async with self._database.worker() as connection:
                await Jobs(connection).fail(chunk.job_id, problem_of(error, Stage.EMBED))
                # A chunk queued by a repair has a job that ended long ago.
                await EmbedQueue(connection).drop(claim, [chunk.chunk_id])

    async def _write_points(
        self, batch: Sequence[QueuedChunk], vectors: dict[TextKey, Vector]
    ) -> None:
        by_index: dict[UUID, list[QueuedChunk]] = defaultdict(list)
        for chunk in batch:
            by_index[chunk.index_id].append(chunk)
        for index_id, mine in by_index.items():
            await self._make_index(index_id, mine[0].space)
            points = [point_of(chunk, vectors[text_key(chunk)]) for chunk in mine]
            await self._vectors.upsert(index_id, points)

    async def _make_index(self, index_id: UUID, space: str) -> None:
        if index_id in self._ready:
            return
        await self._vectors.create_index(index_id, dimensions=embedding_space(space).dimensions)
        async with self._database.worker() as connection:
            await Chunks(connection).index_is_ready(index_id)
        self._ready.add(index_id)

    async def _give_back(
        self, claim: UUID, batch: Sequence[QueuedChunk], error: CitewellError
    ) -> None:
        delay_s = pause_s(error, attempts=batch[0].attempts)
        log.warning("embedding_waits", code=error.code, detail=error.detail, delay_s=delay_s)
        self._ready.clear()
        async with self._database.worker() as connection:
            jobs = list({chunk.job_id for chunk in batch})
            await Jobs(connection).wait(jobs, waiting_after(error))
        await self._release(claim, batch, delay_s=delay_s, counted=True)

    async def _release(
        self, claim: UUID, batch: Sequence[QueuedChunk], *, delay_s: float, counted: bool
    ) -> None:
        chunk_ids = [chunk.chunk_id for chunk in batch]
        async with self._database.worker() as connection:
            await EmbedQueue(connection).release(claim, chunk_ids, delay_s=delay_s, counted=counted)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
