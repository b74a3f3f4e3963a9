"""Follow-ups over HTTP: what is searched for, what the model sees, what is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from shared.database.engine import Database
from shared.settings import Settings
from shared.settings_providers import OpenAISettings
from tests.support.provider import KEY, Provider, start_provider
from tests.support.query_api import Corpus, query_settings, started_query_api

LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
TORQUE = "Tighten the wheel bolts to a torque of 120 newton metres."
HISTORY = [
    {"role": "user", "content": "How long is parental leave?"},
    {"role": "assistant", "content": "16 weeks."},
]


@pytest.fixture
def settings(database_url: str, qdrant_url: str) -> Settings:
    return query_settings(database_url, qdrant_url)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


async def test_a_follow_up_is_answered_without_a_model(settings: Settings, corpus: Corpus) -> None:
    await corpus.add(TORQUE, LEAVE)
    async with started_query_api(settings) as api:
        alone = await api.ask("How many parts?")
        assert "searched_for" not in alone
        answer = await api.ask("In how many parts?", history=HISTORY)
    assert answer["searched_for"] == "How long is parental leave? In how many parts?"
    assert answer["citations"][0]["quote"] in LEAVE
    assert "condense" in answer["timings"]


async def test_a_model_is_shown_the_turns_and_its_tokens_are_counted(
    settings: Settings, corpus: Corpus, provider: Provider, database: Database
) -> None:
    await corpus.add(LEAVE)
    provider.chat_text = "Parental leave may be taken in two parts."
    openai = OpenAISettings(api_key=KEY, base_url=provider.url, chat_model="gpt-test")
    async with started_query_api(settings.model_copy(update={"openai": openai})) as api:
        answer = await api.ask("In how many parts?", history=HISTORY)
    assert answer["searched_for"] == provider.chat_text
    condensing, answering = provider.requests
    assert condensing["temperature"] == 0
    shown = [(one["role"], one["content"]) for one in answering["messages"]]
    assert shown[1:3] == [(turn["role"], turn["content"]) for turn in HISTORY]
    assert answer["usage"]["completion_tokens"] == 2 * len(provider.chat_text.split())
    async with database.worker() as connection:
        used = await connection.execute(text("SELECT model, completion_tokens FROM chat_usage"))
        assert used.all() == [("gpt-test", answer["usage"]["completion_tokens"])]


@pytest.mark.parametrize(
    "history",
    [
        [{"role": "system", "content": "x"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": "x" * 4001}],
        [{"role": "user", "content": "x"}] * 21,
        [{"role": "user", "content": "x" * 4000}] * 5,
        [{"role": "user", "content": "x", "name": "y"}],
    ],
)
async def test_a_history_has_bounds(settings: Settings, history: list[dict[str, Any]]) -> None:
    async with started_query_api(settings) as api:
        refused = await api.post("/v1/query", question="Why?", history=history)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
