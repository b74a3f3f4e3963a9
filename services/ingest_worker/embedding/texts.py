"""Texts to vectors: known ones from the store, new ones from the provider, each paid for once."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.ingest_worker.embedding.budget import Budget
from services.ingest_worker.embedding.paced import PacedEmbedder
from services.ingest_worker.embedding.points import TextKey, text_key
from shared.database.chunks import Chunks
from shared.database.embed_queue import QueuedChunk
from shared.database.engine import Database
from shared.embeddings.base import Embedder
from shared.errors import CitewellError, EmbeddingRejected
from shared.vectors.base import VectorStore

Vector = Sequence[float]


@dataclass(slots=True)
class Embeddings:
    """What came of a batch's texts: `error` is why the rest of them has no vector yet."""

    vectors: dict[TextKey, Vector] = field(default_factory=dict)
    made: set[TextKey] = field(default_factory=set)
    refused: dict[TextKey, CitewellError] = field(default_factory=dict)
    error: CitewellError | None = None


class TextVectors:
    """Finds or makes the vectors of queued chunks."""

    def __init__(
        self,
        *,
        database: Database,
        vectors: VectorStore,
        embedder_of: Callable[[str], Embedder],
        budget_of: Callable[[str], Budget],
    ) -> None:
        """Take the stores, and a way to a space's embedder and to its key's budget."""
        self._database = database
        self._vectors = vectors
        self._embedder_of = embedder_of
        self._budget_of = budget_of
        self._paced: dict[str, PacedEmbedder] = {}

    def embedder(self, space: str) -> PacedEmbedder:
        """Return a space's embedder, within its key's budget.

        Raises:
            EmbeddingUnauthorized: its provider needs a key and none is set.
        """
        if space not in self._paced:
            self._paced[space] = PacedEmbedder(self._embedder_of(space), self._budget_of(space))
        return self._paced[space]

    async def of(self, batch: Sequence[QueuedChunk]) -> Embeddings:
        """Return the vectors of a batch of one space; what the provider failed at is left out."""
        done = Embeddings(await self._known(batch))
        unknown = {key: c for c in batch if (key := text_key(c)) not in done.vectors}
        await self._embed(batch[0].space, unknown, done)
        return done

    async def _known(self, batch: Sequence[QueuedChunk]) -> dict[TextKey, Vector]:
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

    async def _embed(
        self, space: str, unknown: Mapping[TextKey, QueuedChunk], done: Embeddings
    ) -> None:
        """Embed texts; a refused request is halved until the refused texts stand alone.

        What was made before a failure stays made: it was paid for.
        """
        if not unknown or done.error is not None:
            return
        keys = list(unknown)
        try:
            made = await self._ask(space, [unknown[key] for key in keys])
        except EmbeddingRejected as error:
            if len(keys) == 1:
                done.refused[keys[0]] = error
                return
            middle = len(keys) // 2
            for half in (keys[:middle], keys[middle:]):
                await self._embed(space, {key: unknown[key] for key in half}, done)
        except CitewellError as error:
            done.error = error
        else:
            done.made.update(keys)
            done.vectors.update(zip(keys, made, strict=True))

    async def _ask(self, space: str, chunks: Sequence[QueuedChunk]) -> Sequence[Vector]:
        embedder = self.embedder(space)
        extra = embedder.special_tokens
        embedded = await embedder.embed(
            [chunk.text for chunk in chunks], tokens=sum(chunk.tokens + extra for chunk in chunks)
        )
        vectors: Sequence[Vector] = embedded.vectors.tolist()
        return vectors
