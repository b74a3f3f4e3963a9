"""A wrapper for questions: an embedder that is late or fails is left alone for a while."""

import asyncio
from collections.abc import Sequence

from shared.breaker import Breaker
from shared.embeddings.base import Embedded, Embedder, EmbeddingTimedOut, Vectors
from shared.errors import EmbeddingUnavailable, Kind, QuotaExceeded
from shared.models import EmbeddingSpace


class EmbeddingPaused(EmbeddingUnavailable):
    """The embedding provider failed several times just now and is left alone for a moment."""

    kind = Kind.UNAVAILABLE


class GuardedEmbedder:
    """Gives a question's vector in time or not at all; after failures in a row, not at once.

    Documents pass by: whoever embeds them has a budget and a breaker in Postgres.
    """

    def __init__(self, embedder: Embedder, breaker: Breaker, *, timeout_s: float) -> None:
        """Wrap an embedder; a question's vector takes at most `timeout_s`."""
        self._embedder = embedder
        self._breaker = breaker
        self._timeout_s = timeout_s

    @property
    def space(self) -> EmbeddingSpace:
        """The space of every vector."""
        return self._embedder.space

    async def embed_documents(self, texts: Sequence[str]) -> Embedded:
        """Embed texts to be found."""
        return await self._embedder.embed_documents(texts)

    async def embed_query(self, text: str) -> Vectors:
        """Embed one question.

        Raises:
            EmbeddingPaused: the embedder is left alone; `retry_after_s` says how long.
            EmbeddingTimedOut: it did not answer in time.
        """
        if self._breaker.pause_s:
            raise EmbeddingPaused(retry_after_s=self._breaker.pause_s)
        self._breaker.begin()
        try:
            vector = await self._in_time(text)
        except (EmbeddingUnavailable, QuotaExceeded):
            self._breaker.fail()
            raise
        self._breaker.succeed()
        return vector

    async def aclose(self) -> None:
        """Close the embedder."""
        await self._embedder.aclose()

    async def _in_time(self, text: str) -> Vectors:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._embedder.embed_query(text)
        except TimeoutError as error:
            raise EmbeddingTimedOut(
                f"The question had no vector within {self._timeout_s:g} s."
            ) from error
