"""What questions depend on outside this process, each behind its breaker; and how they are now."""

from shared.breaker import Breaker
from shared.embeddings.base import Embedder
from shared.embeddings.cached import CachedEmbedder, build_vector_cache
from shared.embeddings.guarded import EmbeddingPaused, GuardedEmbedder
from shared.settings import QuerySettings
from shared.vectors.base import VectorStore
from shared.vectors.guarded import GuardedSearcher

# So short that an upstream which is back is used within seconds; a dead one costs one request in
# each such time its time-out.
OPEN_S = 2.0


class Upstreams:
    """Wraps the embedders and the vector store of a query process."""

    def __init__(self, vectors: VectorStore, settings: QuerySettings) -> None:
        """Take the store, and how long each may take and how much is remembered."""
        self._vectors = vectors
        self._timeout_s = settings.embed_timeout_s
        self._cache = build_vector_cache(settings.vector_cache_bytes)
        self._store = Breaker("qdrant", open_s=OPEN_S)
        self._embedders: list[Breaker] = []
        self.searcher = GuardedSearcher(vectors, self._store)

    def wrap(self, embedder: Embedder) -> Embedder:
        """Return an embedder that is quick or gives up, and asks each question once.

        Each space has a breaker of its own: a model that one tenant misspelt is no other's fault.
        """
        breaker = Breaker(f"{embedder.space.provider} embeddings", open_s=OPEN_S)
        self._embedders.append(breaker)
        guarded = GuardedEmbedder(embedder, breaker, timeout_s=self._timeout_s)
        return CachedEmbedder(guarded, self._cache)

    async def check_store(self) -> str | None:
        """Ask the store; say so if searches are kept from it.

        Raises:
            VectorStoreUnavailable: it does not answer.
        """
        await self._vectors.ping()
        return "Its breaker is open: one search probes it." if self._store.is_open else None

    async def check_embedders(self) -> str | None:
        """Say how many spaces have been searched in; nothing is asked of a provider.

        Raises:
            EmbeddingPaused: the breaker of at least one is open.
        """
        several, opened = len(self._embedders), sum(one.is_open for one in self._embedders)
        if opened:
            raise EmbeddingPaused(f"The breaker of {opened} of {several} spaces is open.")
        return f"Spaces asked for so far: {several}."
