"""The embedder within its budget, against a provider over real HTTP."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from services.ingest_worker.embedding.budget import LocalBudget, Quota
from services.ingest_worker.embedding.paced import (
    FIRST_TOKENS,
    MOST_INPUTS,
    PacedEmbedder,
    RequestTooLarge,
    Room,
)
from shared.embeddings.base import EmbeddingLimited
from shared.embeddings.openai import OpenAIEmbedder
from shared.embeddings.spaces import embedding_space
from shared.errors import EmbeddingUnauthorized, EmbeddingUnavailable
from tests.support.limits import Bucket, HardLimits
from tests.support.provider import KEY, Provider, start_provider

SPACE = embedding_space("openai/model@16")
USUAL = Room(inputs=64, tokens=100_000, linger_s=0.15)


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.behave()
    server.dimensions = 16
    return server


@pytest.fixture
async def embedder(provider: Provider) -> AsyncIterator[OpenAIEmbedder]:
    embedder = OpenAIEmbedder(SPACE, api_key=KEY, base_url=provider.url, timeout_s=5)
    yield embedder
    await embedder.aclose()


async def test_a_request_refused_for_too_much_is_repeated_after_the_pause(
    provider: Provider, embedder: OpenAIEmbedder
) -> None:
    provider.fail(429, retry_after_s=0.5)
    begun = time.monotonic()
    await PacedEmbedder(embedder, LocalBudget(Quota())).embed(["one"], tokens=1)
    assert time.monotonic() - begun >= 0.5
    assert len(provider.requests) == 2


async def test_a_long_pause_is_handed_on_instead_of_waited_for(
    provider: Provider, embedder: OpenAIEmbedder
) -> None:
    provider.fail(429, retry_after_s=300)
    paced = PacedEmbedder(embedder, LocalBudget(Quota()))
    with pytest.raises(EmbeddingLimited) as caught:
        await paced.embed(["one"], tokens=1)
    assert caught.value.retry_after_s == pytest.approx(300, abs=1)
    assert len(provider.requests) == 1


async def test_a_provider_that_always_refuses_is_given_up_with_a_pause(
    provider: Provider, embedder: OpenAIEmbedder
) -> None:
    provider.fail(429, times=99, retry_after_s=0.01)
    with pytest.raises(EmbeddingLimited) as caught:
        await PacedEmbedder(embedder, LocalBudget(Quota())).embed(["one"], tokens=1)
    assert caught.value.retry_after_s
    assert len(provider.requests) < 10


@pytest.mark.parametrize(
    ("status", "error"), [(503, EmbeddingUnavailable), (401, EmbeddingUnauthorized)]
)
async def test_other_failures_are_not_repeated(
    provider: Provider, embedder: OpenAIEmbedder, status: int, error: type[Exception]
) -> None:
    provider.fail(status)
    paced = PacedEmbedder(embedder, LocalBudget(Quota()))
    with pytest.raises(error):
        await paced.embed(["one"], tokens=1)
    assert len(provider.requests) == 1
    await paced.embed(["one"], tokens=1)


async def test_a_refused_request_above_its_part_of_a_minute_is_to_be_cut(
    provider: Provider, embedder: OpenAIEmbedder
) -> None:
    provider.limits = HardLimits(Bucket(6000, 2), Bucket(600, 2), words)
    paced = PacedEmbedder(embedder, LocalBudget(Quota()))
    with pytest.raises(RequestTooLarge):
        await paced.embed(["one two three"] * 10, tokens=30)


async def test_the_first_request_is_small_and_the_next_as_the_limits_are(
    provider: Provider, embedder: OpenAIEmbedder
) -> None:
    provider.limits = HardLimits(Bucket(6000), Bucket(600_000), words)
    paced = PacedEmbedder(embedder, LocalBudget(Quota()))
    assert paced.room(USUAL) == Room(64, FIRST_TOKENS, 0.15)
    for _ in range(2):
        await paced.embed(["one two"], tokens=2)
    assert paced.room(USUAL) == Room(64, 10_000, 0.15)


async def test_where_requests_are_scarce_each_holds_more(
    provider: Provider, embedder: OpenAIEmbedder
) -> None:
    paced = PacedEmbedder(embedder, LocalBudget(Quota(requests=120, tokens=2_400_000)))
    for _ in range(2):
        await paced.embed(["one two"], tokens=2)
    room = paced.room(USUAL)
    assert (room.inputs, room.tokens) == (MOST_INPUTS, 40_000)
    assert room.linger_s == pytest.approx(0.5)
