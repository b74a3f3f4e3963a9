"""What the query API does while one of its parts is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import SecretStr

from services.query_api.app import create_app
from services.query_api.chat_models import backoff
from shared.database.engine import Database, build_database
from shared.database.migrate import migrate
from shared.embeddings.base import Vectors
from shared.embeddings.cached import CachedEmbedder
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.spaces import FAKE
from shared.errors import ConfigurationInvalid, EmbeddingUnavailable
from shared.settings import DatabaseSettings, QdrantSettings
from shared.settings_providers import OpenAISettings
from shared.vectors.base import VectorStore
from shared.vectors.build import build_vector_store
from tests.support.postgres import start_postgres
from tests.support.provider import KEY, Provider, start_provider
from tests.support.qdrant import start_qdrant
from tests.support.query_api import Corpus, query_settings, started_query_api

LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
QUESTION = "How long is parental leave?"
BOTH = (("/v1/search", {"query": QUESTION}), ("/v1/query", {"question": QUESTION}))


class Doomed(NamedTuple):
    """A server that a test may stop."""

    url: str
    stop: Callable[[], None]


@pytest.fixture(scope="module")
def qdrant_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("qdrant")
    with start_qdrant(folder) as url:
        yield url


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
    server.chat_text = "It is 16 weeks [1], or so I dreamt [7]."
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
    assert answer["answer"] == "It is 16 weeks [Source: hr.txt, page 1], or so I dreamt."
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


@pytest.mark.usefixtures("corpus")
async def test_without_its_embedder_a_search_goes_on_with_words(
    database_url: str, qdrant_url: str
) -> None:
    async with started_query_api(query_settings(database_url, qdrant_url)) as api:
        broken = HashingEmbedder(FAKE)
        broken.failure = EmbeddingUnavailable()
        api.context.embedders._made[FAKE.name] = CachedEmbedder(broken)  # noqa: SLF001
        found = await api.search(QUESTION)
        assert found["degraded"] == ["embedder"]
        assert found["hits"][0]["text"] == LEAVE
        answer = await api.ask(QUESTION)
        assert (answer["degraded"], answer["abstained"]) == (["embedder"], False)
        dense = await api.post("/v1/search", query=QUESTION, mode="dense")
        assert (dense.status_code, dense.json()["code"]) == (502, "embedding_unavailable")
        broken.failure = None
        await asyncio.sleep(0)
        assert "degraded" not in await api.search(QUESTION)


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


@pytest.mark.usefixtures("corpus")
async def test_an_embedder_that_hangs_is_not_waited_for(
    database_url: str, qdrant_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started_query_api(query_settings(database_url, qdrant_url)) as api:
        monkeypatch.setattr(api.context.retriever, "_embed_timeout_s", 0.05)
        monkeypatch.setattr(api.context.embedders.of(FAKE.name), "embed_query", _hang)
        assert (await api.search(QUESTION))["degraded"] == ["embedder"]
        dense = await api.post("/v1/search", query=QUESTION, mode="dense")
    assert (dense.status_code, dense.json()["code"]) == (504, "embedding_unavailable")


async def _hang(text: str) -> Vectors:
    await asyncio.sleep(60)
    raise AssertionError(text)


async def test_without_qdrant_it_is_503_with_retry_after(
    database: Database, database_url: str, doomed_qdrant: Doomed
) -> None:
    vectors = build_vector_store(QdrantSettings(url=doomed_qdrant.url))
    await Corpus(database, vectors).add(LEAVE)
    await vectors.aclose()
    async with started_query_api(query_settings(database_url, doomed_qdrant.url)) as api:
        assert (await api.search(QUESTION))["hits"]
        doomed_qdrant.stop()
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
