"""A wrapper that remembers the vectors of questions, in this process alone."""

from collections.abc import Sequence

from shared.caches import Flights, SizedCache
from shared.embeddings.base import Embedded, Embedder, Vectors
from shared.models import EmbeddingSpace

# By the space's name and the question.
VectorCache = SizedCache[tuple[str, str], Vectors]
_LETTER_BYTES = 4


def build_vector_cache(max_bytes: int) -> VectorCache:
    """Return a cache that all spaces of a process share; of 0 bytes it keeps nothing."""
    return SizedCache("vectors", max_bytes=max_bytes)


class CachedEmbedder:
    """Asks the embedder once for each question, also when many ask it at the same moment.

    Failures are not remembered. Documents pass by: the index is their cache.
    """

    def __init__(self, embedder: Embedder, cache: VectorCache) -> None:
        """Wrap an embedder; the cache may be that of other spaces too."""
        self._embedder = embedder
        self._cache = cache
        self._flights: Flights[str, Vectors] = Flights("vectors")

    @property
    def bare(self) -> Embedder:
        """The embedder itself, which remembers nothing."""
        return self._embedder

    @property
    def space(self) -> EmbeddingSpace:
        """The space of every vector."""
        return self._embedder.space

    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        """Embed texts to be found, always anew."""
        return await self._embedder.embed_documents(texts)

    async def embed_query(self, text: str) -> Vectors:
        """Embed one question, or remember it."""
        known = self._cache.get((self.space.name, text))
        if known is not None:
            return known
        vector, _ = await self._flights.share(text, lambda: self._ask(text))
        return vector

    async def aclose(self) -> None:
        """Stop what is under way and close the embedder."""
        self._flights.cancel()
        await self._embedder.aclose()

    async def _ask(self, text: str) -> Vectors:
        vector = await self._embedder.embed_query(text)
        size = vector.nbytes + _LETTER_BYTES * len(text)
        self._cache.put((self.space.name, text), vector, size)
        return vector
