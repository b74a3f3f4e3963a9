"""A wrapper that remembers the vectors of questions, in this process alone."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from shared.embeddings.base import Embedded, Embedder, Vectors
from shared.models import EmbeddingSpace

# 2,048 vectors of 1,536 dimensions are 12 MB.
MAX_QUERIES = 2048


class CachedEmbedder:
    """Asks the embedder once for each question, also when many ask it at the same moment.

    Failures are not remembered. Documents pass by: the index is their cache.
    """

    def __init__(self, embedder: Embedder, *, most: int = MAX_QUERIES) -> None:
        """Wrap an embedder; the least recently asked of more than `most` questions is dropped."""
        self._embedder = embedder
        self._most = most
        self._asked: OrderedDict[str, asyncio.Task[Vectors]] = OrderedDict()
        self.hits = 0

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
        task = self._asked.get(text)
        if task is None:
            task = asyncio.create_task(self._embedder.embed_query(text))
            self._asked[text] = task
            task.add_done_callback(lambda done: self._forget_failure(text, done))
            self._drop_oldest()
        else:
            self.hits += 1
            self._asked.move_to_end(text)
        # Shielded: one client that leaves must not take the answer from those who wait with it.
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Stop what is under way and close the embedder."""
        for task in self._asked.values():
            task.cancel()
        self._asked.clear()
        await self._embedder.aclose()

    def _drop_oldest(self) -> None:
        while len(self._asked) > self._most:
            self._asked.popitem(last=False)

    def _forget_failure(self, text: str, task: asyncio.Task[Vectors]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._asked.get(text) is task:
            del self._asked[text]
