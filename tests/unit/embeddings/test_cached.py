import asyncio

import pytest
from typing_extensions import override

from shared.caches import ENTRY_BYTES
from shared.embeddings.base import Embedded, Vectors
from shared.embeddings.cached import CachedEmbedder, build_vector_cache
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.spaces import FAKE
from shared.errors import EmbeddingUnavailable

ROOM = 1_000_000
# Of 256 numbers with questions of two letters.
TWO = 2 * (256 * 4 + 2 * 4 + ENTRY_BYTES)


class SlowEmbedder(HashingEmbedder):
    """Answers when it is let go."""

    def __init__(self) -> None:
        super().__init__(FAKE)
        self.go = asyncio.Event()

    @override
    async def embed_query(self, text: str) -> Vectors:
        self.calls += 1
        await self.go.wait()
        return self._vector(text)


async def test_a_known_question_asks_nobody() -> None:
    inner = HashingEmbedder(FAKE)
    cached = CachedEmbedder(inner, build_vector_cache(ROOM))
    first = await cached.embed_query("red apples")
    assert (await cached.embed_query("red apples") == first).all()
    assert inner.calls == 1


async def test_many_who_ask_at_once_ask_once() -> None:
    inner = SlowEmbedder()
    cached = CachedEmbedder(inner, build_vector_cache(ROOM))
    waiting = [asyncio.create_task(cached.embed_query("red apples")) for _ in range(5)]
    await asyncio.sleep(0)
    inner.go.set()
    await asyncio.gather(*waiting)
    assert inner.calls == 1


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    inner = SlowEmbedder()
    cached = CachedEmbedder(inner, build_vector_cache(ROOM))
    leaver, stayer = (asyncio.create_task(cached.embed_query("red apples")) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    inner.go.set()
    assert len(await stayer) == FAKE.dimensions


async def test_a_failure_is_not_remembered() -> None:
    inner = HashingEmbedder(FAKE)
    cached = CachedEmbedder(inner, build_vector_cache(ROOM))
    inner.failure = EmbeddingUnavailable()
    with pytest.raises(EmbeddingUnavailable):
        await cached.embed_query("red apples")
    inner.failure = None
    await asyncio.sleep(0)
    assert len(await cached.embed_query("red apples")) == FAKE.dimensions


async def test_the_question_asked_longest_ago_is_forgotten() -> None:
    inner = HashingEmbedder(FAKE)
    cached = CachedEmbedder(inner, build_vector_cache(TWO))
    for question in ("a1", "b2", "a1", "c3", "a1", "b2"):
        await cached.embed_query(question)
    assert inner.calls == 4


async def test_documents_pass_by_and_closing_closes() -> None:
    inner = SlowEmbedder()
    cached = CachedEmbedder(inner, build_vector_cache(ROOM))
    embedded = await cached.embed_documents(["one"])
    assert isinstance(embedded, Embedded)
    assert cached.space is FAKE
    asking = asyncio.create_task(cached.embed_query("red apples"))
    await asyncio.sleep(0)
    await cached.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asking
