"""Embedders that answer anew in each round, so that a cache hides no fault of theirs."""

from collections.abc import Callable, Sequence

from shared.embeddings.base import Embedded, Embedder, Vectors
from shared.embeddings.cached import CachedEmbedder
from shared.models import EmbeddingSpace

# Spaces whose vectors cost nothing.
_FREE = frozenset({"local", "fake"})


class FreshEmbedders:
    """The embedders of one round: each question is embedded once in it, and counted if paid for."""

    def __init__(self, embedder_of: Callable[[str], Embedder]) -> None:
        """Take the way to the process's own embedders, cached or not."""
        self._embedder_of = embedder_of
        self._made: dict[str, _FreshEmbedder] = {}

    def of(self, space: str) -> Embedder:
        """Return the embedder of a space."""
        if space not in self._made:
            self._made[space] = _FreshEmbedder(_bare(self._embedder_of(space)))
        return self._made[space]

    @property
    def provider_calls(self) -> int:
        """Calls that providers were sent."""
        return sum(one.calls for one in self._made.values() if one.space.provider not in _FREE)


class _FreshEmbedder:
    """Remembers for one round; closing is the owner's business."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._asked: dict[str, Vectors] = {}
        self.calls = 0

    @property
    def space(self) -> EmbeddingSpace:
        return self._embedder.space

    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        self.calls += 1
        return await self._embedder.embed_documents(texts)

    async def embed_query(self, text: str) -> Vectors:
        if text not in self._asked:
            self.calls += 1
            self._asked[text] = await self._embedder.embed_query(text)
        return self._asked[text]

    async def aclose(self) -> None:
        """Do nothing: it is closed by whom it belongs to."""


def _bare(embedder: Embedder) -> Embedder:
    return embedder.bare if isinstance(embedder, CachedEmbedder) else embedder
