"""A question while providers fail: who writes the answer, and that the answer says so."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from services.query_api.chat_models import backoff
from shared.breaker import FAILURES
from shared.database.engine import build_database
from shared.errors import ConfigurationInvalid
from shared.settings import DatabaseSettings, QdrantSettings, Settings
from shared.settings_providers import AnthropicSettings, OpenAISettings
from shared.vectors.build import build_vector_store
from tests.support.anthropic_provider import AnthropicProvider, start_anthropic
from tests.support.apps import query_app
from tests.support.provider import KEY, Provider, start_provider
from tests.support.query_api import Corpus, query_settings, started_query_api

LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
QUESTION = "How long is parental leave?"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Provider, AnthropicProvider]]:
    with start_provider() as openai, start_anthropic() as anthropic:
        yield openai, anthropic


@pytest.fixture
def openai(servers: tuple[Provider, AnthropicProvider]) -> Provider:
    servers[0].behave()
    servers[0].chat_text = "It is 16 weeks [1]."
    return servers[0]


@pytest.fixture
def anthropic(servers: tuple[Provider, AnthropicProvider]) -> AnthropicProvider:
    servers[1].behave()
    servers[1].chat_text = "Sixteen weeks [1]."
    return servers[1]


@pytest.fixture
async def settings(
    database_url: str,
    qdrant_url: str,
    openai: Provider,
    anthropic: AnthropicProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Settings]:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.01)
    database = build_database(DatabaseSettings(url=database_url))
    vectors = build_vector_store(QdrantSettings(url=qdrant_url))
    await Corpus(database, vectors).add(LEAVE, filename="hr.txt")
    yield query_settings(
        database_url,
        qdrant_url,
        openai=OpenAISettings(
            api_key=SecretStr(KEY), base_url=openai.url, chat_model="gpt-test", timeout_s=5
        ),
        anthropic=AnthropicSettings(
            api_key=SecretStr(KEY), base_url=anthropic.url, chat_model="claude-test", timeout_s=5
        ),
    )
    await vectors.aclose()
    await database.aclose()


async def test_the_next_provider_writes_and_the_answer_says_so(
    settings: Settings, openai: Provider
) -> None:
    async with started_query_api(settings) as api:
        whole = await api.ask(QUESTION)
        assert (whole["model"], "fallback" in whole) == ("gpt-test", False)
        openai.fail(401)
        answer = await api.ask(QUESTION)
    assert answer["answer"] == "Sixteen weeks [Source: hr.txt, page 1]."
    assert (answer["model"], answer["fallback"]) == ("claude-test", "anthropic")
    assert answer["usage"]["completion_tokens"] > 0


async def test_a_stream_ends_with_the_model_that_really_wrote(
    settings: Settings, openai: Provider
) -> None:
    openai.fail(401)
    async with started_query_api(settings) as api:
        stream = await api.post("/v1/query", question=QUESTION, stream=True)
    done = json.loads(stream.text.partition("event: done\ndata: ")[2].partition("\n")[0])
    assert (done["model"], done["fallback"]) == ("claude-test", "anthropic")


async def test_when_all_fail_an_extract_answers_and_soon_nobody_is_asked(
    settings: Settings, openai: Provider, anthropic: AnthropicProvider
) -> None:
    openai.fail(401, times=9)
    anthropic.fail(400, times=9)
    async with started_query_api(settings) as api:
        answers = [await api.ask(QUESTION) for _ in range(FAILURES + 1)]
    assert {answer["fallback"] for answer in answers} == {"extractive"}
    assert len(openai.requests) == len(anthropic.requests) == FAILURES


async def test_a_named_model_is_asked_of_who_has_it_and_fails_as_itself(
    settings: Settings, openai: Provider, anthropic: AnthropicProvider
) -> None:
    async with started_query_api(settings) as api:
        answer = await api.ask(QUESTION, model="claude-opus-9")
        assert (answer["model"], "fallback" in answer) == ("claude-opus-9", False)
        anthropic.fail(404)
        failed = await api.post("/v1/query", question=QUESTION, model="claude-opus-10")
    assert (failed.status_code, failed.json()["code"]) == (502, "generation_unavailable")
    assert failed.json()["retryable"] is False
    assert openai.requests == []


async def test_a_provider_without_its_key_is_refused_at_the_start(settings: Settings) -> None:
    query = settings.query.model_copy(update={"providers": ("openai", "anthropic")})
    keyless = settings.model_copy(
        update={"query": query, "anthropic": AnthropicSettings(api_key=None)}
    )
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_ANTHROPIC_API_KEY"):
        async with query_app(keyless):
            pass
