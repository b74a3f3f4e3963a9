"""What the query API does while one of its parts is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import NamedTuple

import pytest
from pydantic import SecretStr

from services.query_api import upstreams
from services.query_api.app import create_app
from services.query_api.chat_models import backoff
from shared.breaker import FAILURES
from shared.database.engine import Database, build_database
from shared.database.migrate import migrate
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.openai import OpenAIEmbedder
from shared.embeddings.spaces import FAKE, embedding_space
from shared.errors import ConfigurationInvalid, EmbeddingUnavailable
from shared.settings import DatabaseSettings, QdrantSettings
from shared.settings_providers import OpenAISettings
from shared.vectors.base import VectorStore
from shared.vectors.build import build_vector_store
from tests.support.postgres import start_postgres
from tests.support.provider import KEY, Provider, start_provider
from tests.support.qdrant import run_qdrant, start_qdrant
from tests.support.query_api import (
    Corpus,
    QueryApi,
    patient_query,
    query_settings,
    started_query_api,
)

SPACE = embedding_space("openai/text-embedding-3-small@64")
LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
QUESTION = "How long is parental leave?"
BOTH = (("/v1/search", {"query": QUESTION}), ("/v1/query", {"question": QUESTION}))


class Doomed(NamedTuple):
    """A server that a test may stop."""

    url: str
    stop: Callable[[], None]


@pytest.fixture
async def corpus(database_url: str, qdrant_url: str) -> AsyncIterator[Corpus]:
    database = build_database(DatabaseSettings(url=database_url))
    vectors: VectorStore = build_vector_store(QdrantSettings(url=qdrant_url))
    corpus = Corpus(database, vectors)
    await corpus.add(LEAVE, filename="hr.txt")
    yield corpus
    await vectors.aclose()
    await database.aclose()


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.01)
    server.behave()
    server.chat_text = "It is 16 weeks [1], at full pay [7]. It is 18 weeks [1]."
    return server


def chat(provider: Provider, timeout_s: float = 5) -> OpenAISettings:
    return OpenAISettings(
        api_key=SecretStr(KEY), base_url=provider.url, chat_model="gpt-test", timeout_s=timeout_s
    )


@pytest.mark.usefixtures("corpus")
async def test_a_provider_writes_and_its_invented_markers_go(
    database_url: str, qdrant_url: str, provider: Provider
) -> None:
    settings = query_settings(database_url, qdrant_url, openai=chat(provider))
    async with started_query_api(settings) as api:
        answer = await api.ask(QUESTION, temperature=0.3)
    assert answer["answer"] == "It is 16 weeks [Source: hr.txt, page 1], at full pay."
    assert (answer["model"], "fallback" in answer) == ("gpt-test", False)
    assert answer["usage"]["total_tokens"] > 0
    (request,) = provider.requests
    assert request["temperature"] == 0.3
    assert LEAVE in request["messages"][-1]["content"]


@pytest.mark.usefixtures("corpus")
async def test_a_provider_that_fails_gives_way_to_an_extract(
    database_url: str, qdrant_url: str, provider: Provider
) -> None:
    settings = query_settings(database_url, qdrant_url, openai=chat(provider))
    provider.fail(500, times=3)
    async with started_query_api(settings) as api:
        answer = await api.ask(QUESTION)
    assert answer["fallback"] == "extractive"
    assert answer["sources"] == ["[Source: hr.txt, page 1]"]


@pytest.mark.usefixtures("corpus")
async def test_a_model_asked_for_by_name_fails_as_itself(
    database_url: str, qdrant_url: str, provider: Provider
) -> None:
    settings = query_settings(database_url, qdrant_url, openai=chat(provider, timeout_s=0.1))
    async with started_query_api(settings) as api:
        provider.fail(500, times=3)
        failed = await api.post("/v1/query", question=QUESTION, model="gpt-9")
        assert (failed.status_code, failed.json()["code"]) == (502, "generation_unavailable")
        provider.hang(1, times=3)
        late = await api.post("/v1/query", question=QUESTION, model="gpt-9")
        assert (late.status_code, late.json()["code"]) == (504, "generation_timeout")
        provider.behave()
        provider.fail(500, times=3)
        stream = await api.post("/v1/query", question=QUESTION, model="gpt-9", stream=True)
    assert stream.status_code == 200
    assert stream.text.count("event: error") == 1
    assert "event: done" not in stream.text


@pytest.fixture
async def breaking(
    database_url: str, qdrant_url: str, corpus: Corpus
) -> AsyncIterator[tuple[QueryApi, HashingEmbedder]]:
    """A query API, and the embedder of its space, which fails as a test says."""
    assert corpus.embedder.space is FAKE
    embedder = HashingEmbedder(FAKE)
    query = patient_query(result_cache_bytes=0)
    async with started_query_api(query_settings(database_url, qdrant_url, query=query)) as api:
        context = api.context
        context.embedders._made[FAKE.name] = context.upstreams.wrap(embedder)  # noqa: SLF001
        yield api, embedder


async def test_without_its_embedder_a_search_goes_on_with_words(
    breaking: tuple[QueryApi, HashingEmbedder],
) -> None:
    api, embedder = breaking
    embedder.failure = EmbeddingUnavailable()
    found = await api.search(QUESTION)
    assert found["degraded"] == ["embedder"]
    assert found["hits"][0]["text"] == LEAVE
    answer = await api.ask(QUESTION)
    assert (answer["degraded"], answer["abstained"]) == (["embedder"], False)
    dense = await api.post("/v1/search", query=QUESTION, mode="dense")
    assert (dense.status_code, dense.json()["code"]) == (502, "embedding_unavailable")


async def test_without_its_embedder_a_question_asked_before_is_not_degraded(
    breaking: tuple[QueryApi, HashingEmbedder],
) -> None:
    api, embedder = breaking
    before = await api.search(QUESTION)
    embedder.failure = EmbeddingUnavailable()
    after = await api.search(QUESTION)
    assert (after["hits"], "degraded" in after) == (before["hits"], False)
    assert (await api.search("Another question?"))["degraded"] == ["embedder"]


async def test_an_embedder_that_fails_three_times_is_left_alone_until_a_probe_works(
    breaking: tuple[QueryApi, HashingEmbedder], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, embedder = breaking
    monkeypatch.setattr(upstreams, "OPEN_S", 1.5)
    api.context.embedders._made[FAKE.name] = api.context.upstreams.wrap(embedder)  # noqa: SLF001
    embedder.failure = EmbeddingUnavailable()
    for number in range(6):
        assert (await api.search(f"question {number}"))["degraded"] == ["embedder"]
    assert embedder.calls == FAILURES
    dense = await api.post("/v1/search", query=QUESTION, mode="dense")
    assert (dense.status_code, dense.json()["code"]) == (503, "embedding_unavailable")
    assert int(dense.headers["Retry-After"]) >= 1
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["dependencies"]["embedder"]["status"] == "down"
    embedder.failure = None
    await asyncio.sleep(1.5)
    assert "degraded" not in await api.search(QUESTION)
    assert (await api.http.get("/readyz")).json()["status"] == "ready"


@pytest.fixture
def doomed_qdrant(tmp_path: Path) -> Iterator[Doomed]:
    """A server of the test's own; a fixture, for it is started by a loop of its own."""
    with ExitStack() as stack:
        yield Doomed(stack.enter_context(start_qdrant(tmp_path)), stack.close)


@pytest.fixture
def doomed_postgres(tmp_path: Path) -> Iterator[Doomed]:
    """A database of the test's own."""
    with ExitStack() as stack:
        url = stack.enter_context(start_postgres(tmp_path))
        migrate(url)
        yield Doomed(url, stack.close)


async def test_an_embedder_that_hangs_is_not_waited_for(
    database_url: str, qdrant_url: str, provider: Provider, database: Database
) -> None:
    vectors: VectorStore = build_vector_store(QdrantSettings(url=qdrant_url))
    embedder = OpenAIEmbedder(SPACE, api_key=KEY, base_url=provider.url, timeout_s=10)
    await Corpus(database, vectors, embedder).add(LEAVE)
    await vectors.aclose()
    await embedder.aclose()
    settings = query_settings(
        database_url, qdrant_url, openai=chat(provider), query=patient_query(embed_timeout_s=0.3)
    )
    async with started_query_api(settings) as api:
        provider.hang(5, times=2)
        started = time.perf_counter()
        found = await api.search(QUESTION)
        dense = await api.post("/v1/search", query=QUESTION, mode="dense")
        assert time.perf_counter() - started < 5
    assert found["degraded"] == ["embedder"]
    assert found["hits"][0]["text"] == LEAVE
    assert (dense.status_code, dense.json()["code"]) == (504, "embedding_unavailable")


async def test_a_frozen_qdrant_is_told_of_in_time_then_at_once_and_used_when_it_is_back(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    with run_qdrant(tmp_path) as server:
        vectors = build_vector_store(QdrantSettings(url=server.url))
        await Corpus(database, vectors).add(LEAVE)
        await vectors.aclose()
        query = patient_query(store_timeout_s=0.5, result_cache_bytes=0)
        async with started_query_api(query_settings(database_url, server.url, query=query)) as api:
            assert (await api.search(QUESTION))["hits"]
            server.process.send_signal(SIGSTOP)
            try:
                slow = [await _timed_refusal(api) for _ in range(FAILURES)]
                quick = [await _timed_refusal(api) for _ in range(5)]
                ready = await api.http.get("/readyz")
            finally:
                server.process.send_signal(SIGCONT)
            assert ready.status_code == 503
            assert sum(quick) < min(slow)
            await asyncio.sleep(upstreams.OPEN_S)
            assert (await api.search(QUESTION))["hits"]


async def _timed_refusal(api: QueryApi) -> float:
    started = time.perf_counter()
    down = await api.post("/v1/search", query=QUESTION)
    assert (down.status_code, down.json()["code"]) == (503, "vector_store_unavailable")
    assert int(down.headers["Retry-After"]) >= 1
    return time.perf_counter() - started


async def test_without_qdrant_it_is_503_with_retry_after(
    database: Database, database_url: str, doomed_qdrant: Doomed
) -> None:
    vectors = build_vector_store(QdrantSettings(url=doomed_qdrant.url))
    await Corpus(database, vectors).add(LEAVE)
    await vectors.aclose()
    async with started_query_api(query_settings(database_url, doomed_qdrant.url)) as api:
        known = await api.search("What was asked before?")
        doomed_qdrant.stop()
        # What is remembered, and live by Postgres' word, is as good as ever.
        assert (await api.search("What was asked before?"))["hits"] == known["hits"] != []
        for path, body in BOTH:
            down = await api.post(path, **body)
            assert (down.status_code, down.json()["code"]) == (503, "vector_store_unavailable")
            assert int(down.headers["Retry-After"]) >= 1
        ready = await api.http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["dependencies"]["qdrant"]["status"] == "down"


async def test_without_postgres_it_is_503_within_two_seconds(
    qdrant_url: str, doomed_postgres: Doomed
) -> None:
    database = build_database(DatabaseSettings(url=doomed_postgres.url))
    vectors = build_vector_store(QdrantSettings(url=qdrant_url))
    await Corpus(database, vectors).add(LEAVE)
    await vectors.aclose()
    await database.aclose()
    async with started_query_api(query_settings(doomed_postgres.url, qdrant_url)) as api:
        assert (await api.search(QUESTION))["hits"]
        doomed_postgres.stop()
        for path, body in BOTH:
            started = time.perf_counter()
            down = await api.post(path, **body)
            assert time.perf_counter() - started < 2
            assert (down.status_code, down.json()["code"]) == (503, "database_unavailable")
            assert "Retry-After" in down.headers


async def test_without_a_secret_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITEWELL_DATABASE_URL", "postgresql://127.0.0.1:9/none")
    monkeypatch.delenv("CITEWELL_AUTH_SECRET", raising=False)
    app = create_app()
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_AUTH_SECRET"):
        async with app.router.lifespan_context(app):
            pass
