"""What every embedder promises, whichever it is; OpenAI's over real HTTP."""

from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from shared.breaker import Breaker
from shared.embeddings.base import Embedder, EmbeddingTimedOut
from shared.embeddings.cached import CachedEmbedder, build_vector_cache
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.guarded import GuardedEmbedder
from shared.embeddings.local import LocalEmbedder
from shared.embeddings.openai import OpenAIEmbedder
from shared.embeddings.spaces import FAKE, LOCAL, OPENAI_SMALL, embedding_space
from shared.errors import (
    EmbeddingMisconfigured,
    EmbeddingRejected,
    EmbeddingUnauthorized,
    EmbeddingUnavailable,
    QuotaExceeded,
)
from shared.models import EmbeddingSpace
from shared.weights import weights_folder
from tests.support.provider import KEY, Provider, start_provider

NEAR = "Apples and pears grow in the orchard."
FAR = "The turbine's bearing was replaced on Tuesday."
QUESTION = "Where do apples grow?"


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.behave()
    return server


def openai(
    provider: Provider,
    space: EmbeddingSpace = OPENAI_SMALL,
    *,
    key: str = KEY,
    timeout_s: float = 5,
) -> OpenAIEmbedder:
    return OpenAIEmbedder(space, api_key=key, base_url=provider.url, timeout_s=timeout_s)


@pytest.fixture(params=["local", "openai", "fake", "cached", "guarded"])
async def embedder(request: pytest.FixtureRequest, provider: Provider) -> AsyncIterator[Embedder]:
    built: dict[str, Embedder] = {
        "local": LocalEmbedder(LOCAL, folder=weights_folder),
        "openai": openai(provider),
        "fake": HashingEmbedder(FAKE),
        "cached": CachedEmbedder(HashingEmbedder(FAKE), build_vector_cache(1_000_000)),
        "guarded": GuardedEmbedder(HashingEmbedder(FAKE), Breaker("test"), timeout_s=15),
    }
    yield built[request.param]
    for one in built.values():
        await one.aclose()


async def test_vectors_are_unit_length_in_the_texts_order(embedder: Embedder) -> None:
    texts = [NEAR, FAR, "short", NEAR]
    embedded = await embedder.embed_documents(texts)
    assert embedded.vectors.shape == (4, embedder.space.dimensions)
    assert embedded.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-5)
    assert float(embedded.vectors[0] @ embedded.vectors[3]) == pytest.approx(1, abs=1e-3)
    assert embedded.tokens > 0


async def test_a_question_is_nearer_to_what_it_asks_for(embedder: Embedder) -> None:
    question = await embedder.embed_query(QUESTION)
    near, far = (await embedder.embed_documents([NEAR, FAR])).vectors @ question
    assert question.shape == (embedder.space.dimensions,)
    assert near > far


async def test_no_texts_make_no_call(embedder: Embedder, provider: Provider) -> None:
    embedded = await embedder.embed_documents([])
    assert embedded.vectors.shape == (0, embedder.space.dimensions)
    assert embedded.tokens == 0
    assert provider.requests == []


@pytest.mark.parametrize("blank", ["", " \n\t"])
async def test_blank_text_is_rejected(embedder: Embedder, blank: str) -> None:
    with pytest.raises(EmbeddingRejected):
        await embedder.embed_documents([NEAR, blank])
    with pytest.raises(EmbeddingRejected):
        await embedder.embed_query(blank)


async def test_text_over_the_window_is_rejected_not_cut(embedder: Embedder) -> None:
    with pytest.raises(EmbeddingRejected):
        await embedder.embed_documents(["word " * 10_000])


async def test_dimensions_are_sent_to_models_that_shorten(provider: Provider) -> None:
    embedder = openai(provider, embedding_space("openai/text-embedding-3-large@1024"))
    assert (await embedder.embed_query(QUESTION)).shape == (1024,)
    assert provider.requests[0]["dimensions"] == 1024
    await embedder.aclose()


async def test_dimensions_are_not_sent_to_others(provider: Provider) -> None:
    provider.dimensions = 8
    embedder = openai(provider, embedding_space("openai/own-model@8"))
    assert (await embedder.embed_query(QUESTION)).shape == (8,)
    assert "dimensions" not in provider.requests[0]
    await embedder.aclose()


async def test_vectors_of_other_dimensions_wait_for_the_operator(provider: Provider) -> None:
    provider.dimensions = 8
    embedder = openai(provider)
    with pytest.raises(EmbeddingMisconfigured, match="8 dimensions"):
        await embedder.embed_query(QUESTION)
    await embedder.aclose()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "rate_limit_exceeded", EmbeddingUnavailable),
        (429, "insufficient_quota", QuotaExceeded),
        (500, None, EmbeddingUnavailable),
        (503, None, EmbeddingUnavailable),
        (401, "invalid_api_key", EmbeddingUnauthorized),
        (403, None, EmbeddingUnauthorized),
        (400, None, EmbeddingRejected),
        (404, "model_not_found", EmbeddingMisconfigured),
    ],
)
async def test_a_providers_error_is_ours_and_is_not_retried(
    provider: Provider, status: int, code: str | None, expected: type[Exception]
) -> None:
    provider.fail(status, code=code)
    embedder = openai(provider)
    with pytest.raises(expected):
        await embedder.embed_documents([NEAR])
    assert len(provider.requests) == 1
    await embedder.aclose()


async def test_retry_after_is_handed_on(provider: Provider) -> None:
    provider.fail(429, retry_after_s=7)
    embedder = openai(provider)
    with pytest.raises(EmbeddingUnavailable) as caught:
        await embedder.embed_query(QUESTION)
    assert caught.value.retry_after_s == 7
    await embedder.aclose()


async def test_a_wrong_key_waits_for_the_operator(provider: Provider) -> None:
    embedder = openai(provider, key="sk-wrong")
    with pytest.raises(EmbeddingUnauthorized) as caught:
        await embedder.embed_query(QUESTION)
    assert caught.value.who == "operator"
    await embedder.aclose()


async def test_a_provider_that_hangs_has_timed_out(provider: Provider) -> None:
    provider.hang(1)
    embedder = openai(provider, timeout_s=0.1)
    with pytest.raises(EmbeddingTimedOut):
        await embedder.embed_query(QUESTION)
    await embedder.aclose()


async def test_a_provider_that_is_not_there_is_unavailable() -> None:
    embedder = OpenAIEmbedder(
        OPENAI_SMALL, api_key=KEY, base_url="http://127.0.0.1:9/v1", timeout_s=2
    )
    with pytest.raises(EmbeddingUnavailable):
        await embedder.embed_query(QUESTION)
    await embedder.aclose()
