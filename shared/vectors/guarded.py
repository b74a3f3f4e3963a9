"""A wrapper for searches: a store that is late or fails is left alone for a moment."""

from typing import Protocol
from uuid import UUID

from shared.breaker import Breaker
from shared.errors import VectorStoreUnavailable
from shared.vectors.base import Candidates, IndexMissing, VectorQuery


class Searcher(Protocol):
    """The one part of a vector store that a question needs."""

    async def search(self, index_id: UUID, query: VectorQuery) -> Candidates:
        """Return up to `depth` candidates for each given vector, in one request."""
        ...


class GuardedSearcher:
    """Searches, but not while the store failed several times in a row just now."""

    def __init__(self, vectors: Searcher, breaker: Breaker) -> None:
        """Wrap a store that gives up by itself in good time."""
        self._vectors = vectors
        self._breaker = breaker

    async def search(self, index_id: UUID, query: VectorQuery) -> Candidates:
        """Search.

        Raises:
            VectorStoreUnavailable: the store fails, or is left alone; then `retry_after_s` says
                how long.
        """
        if self._breaker.pause_s:
            raise VectorStoreUnavailable(
                "Qdrant did not answer several times just now and is left alone for a moment.",
                retry_after_s=self._breaker.pause_s,
            )
        self._breaker.begin()
        try:
            found = await self._vectors.search(index_id, query)
        except IndexMissing:
            # It did answer: that an index is gone says nothing of the others.
            self._breaker.succeed()
            raise
        except VectorStoreUnavailable:
            self._breaker.fail()
            raise
        self._breaker.succeed()
        return found
