"""What the trail keeps of answers, of whom, for how long, and what is said of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr
from sqlalchemy import text

from services.ingest_worker.upkeep.retention import prune_answers
from services.query_api.audit.trail import Trail
from services.query_api.generation.answers import Question, Turn
from services.query_api.generation.prompt import VERSION
from shared.database.answers import NewAnswer
from shared.database.engine import Database
from shared.errors import NotFound
from shared.identity import new_id
from shared.settings import Settings
from shared.settings_providers import AnthropicSettings, OpenAISettings
from shared.settings_trail import Price, TrailSettings
from tests.support.anthropic_provider import AnthropicProvider, start_anthropic
from tests.support.provider import KEY, Manner, Provider, start_provider
from tests.support.query_api import Corpus, QueryApi, bearer, query_settings, started_query_api
from tests.support.serving import told
from tests.support.waiting import until

LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
VACATION = "Every employee has 26 days of paid vacation a year."
QUESTION = "How long is parental leave?"


@pytest.fixture
def settings(database_url: str, qdrant_url: str) -> Settings:
    return query_settings(database_url, qdrant_url)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[QueryApi]:
    async with started_query_api(settings) as api:
        yield api


@pytest.fixture
def provider() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


def keeping(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"trail": TrailSettings(**changes)})


async def trail(api: QueryApi, answer_id: str, tenant: str = "acme") -> dict[str, Any]:
    response = await api.http.get(f"/v1/answers/{answer_id}", headers=bearer(tenant, "admin"))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def listed(api: QueryApi, tenant: str = "acme", **query: Any) -> dict[str, Any]:
    response = await api.http.get("/v1/answers", params=query, headers=bearer(tenant, "admin"))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def rows(database: Database, statement: str) -> list[dict[str, Any]]:
    async with database.worker() as connection:
        return [dict(row) for row in (await connection.execute(text(statement))).mappings()]


async def test_an_answer_is_in_the_trail_with_what_it_rested_on(
    api: QueryApi, corpus: Corpus
) -> None:
    stored = await corpus.add(VACATION, LEAVE, filename="hr/handbook.txt")
    answer = await api.ask(QUESTION, context_limit=2)
    found = await trail(api, answer["answer_id"])
    assert (found["outcome"], found["model"]) == ("extractive", "extractive")
    assert (found["collection"], found["asked_by"]) == ("default", "jwt:")
    assert found["prompt_version"] == VERSION
    for same in ("confidence", "best_score", "timings"):
        assert found[same] == answer[same]
    assert found["usage"] == answer["usage"] | {"cost": None}
    assert [UUID(one["chunk_id"]) for one in found["sources"]] == stored.chunk_ids[::-1]
    cited, other = found["sources"]
    quote = answer["citations"][0]["quote"]
    assert (cited["cited"], cited["quotes"], cited["page"]) == (True, [quote], 2)
    assert (cited["filename"], cited["version"]) == ("hr/handbook.txt", 1)
    assert cited["version_id"] == str(stored.version_id)
    assert (other["cited"], other["quotes"]) == (False, [])
    assert (found["redacted"], found["feedback"]) == (False, [])


async def test_words_are_kept_only_where_that_is_wished(
    api: QueryApi, corpus: Corpus, settings: Settings, database: Database
) -> None:
    await corpus.add(LEAVE)
    answer = await api.ask(QUESTION)
    found = await trail(api, answer["answer_id"])
    assert (found["question"], found["answer"]) == (None, None)
    kept = "SELECT question, text FROM answers ORDER BY id DESC LIMIT 1"
    assert await rows(database, kept) == [{"question": None, "text": None}]
    async with started_query_api(
        keeping(settings, keep_questions=True, keep_texts=True)
    ) as talkative:
        answer = await talkative.ask(QUESTION + "\0")
        found = await trail(talkative, answer["answer_id"])
    assert (found["question"], found["answer"]) == (QUESTION + "\ufffd", answer["answer"])


async def test_a_stream_has_its_row_when_it_ends(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    body = {"question": QUESTION, "stream": True}
    async with api.http.stream("POST", "/v1/query", json=body, headers=bearer("acme")) as stream:
        events = [event async for event in told(stream)]
    assert events[-1].name == "done"
    found = await trail(api, events[0].data["answer_id"])
    assert found["confidence"] == events[-1].data["confidence"]


async def test_what_came_to_nothing_is_told_too(
    settings: Settings, corpus: Corpus, provider: Provider
) -> None:
    await corpus.add(LEAVE)
    openai = OpenAISettings(api_key=KEY, base_url=provider.url, chat_model="gpt-test")
    provider.fail(500, times=20)
    async with started_query_api(settings.model_copy(update={"openai": openai})) as api:
        failed = await api.post("/v1/query", question=QUESTION, model="gpt-test")
        assert failed.json()["code"] == "generation_unavailable"
        abstained = await api.ask("Who won the cup in 1966?", score_threshold=1.0)
        wrong = await api.post("/v1/query", question=QUESTION, filters={"page": {"near": 1}})
        assert wrong.status_code == 422
        items = (await listed(api))["items"]
        assert [(one["outcome"], one["problem_code"]) for one in items] == [
            ("abstained", None),
            ("failed", "generation_unavailable"),
        ]
        assert items[0]["id"] == abstained["answer_id"]


async def test_the_list_goes_from_the_newest_and_is_cut_by_what_is_asked_for(
    api: QueryApi, corpus: Corpus
) -> None:
    await corpus.add(LEAVE)
    ids = [(await api.ask(QUESTION))["answer_id"] for _ in range(3)]
    await api.ask(QUESTION, score_threshold=1.0)
    await api.post("/v1/feedback", answer_id=ids[1], rating="down")
    first = await listed(api, outcome="extractive", limit=2)
    second = await listed(api, outcome="extractive", limit=2, cursor=first["next_cursor"])
    assert [one["id"] for one in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert [one["id"] for one in (await listed(api, rating="down"))["items"]] == [ids[1]]
    assert (await listed(api, since="2100-01-01T00:00:00Z"))["items"] == []
    assert (await listed(api, until="2020-01-01T00:00:00Z"))["items"] == []
    backwards = {"since": "2100-01-01T00:00:00Z", "until": "2020-01-01T00:00:00Z"}
    refused = await api.http.get("/v1/answers", params=backwards, headers=bearer("acme", "admin"))
    assert refused.status_code == 422


async def test_the_trail_is_for_the_tenant_s_admin_alone(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    answer_id = (await api.ask(QUESTION))["answer_id"]
    for path in ("/v1/answers", f"/v1/answers/{answer_id}"):
        assert (await api.http.get(path)).status_code == 401
        assert (await api.http.get(path, headers=bearer("acme", "query"))).status_code == 403
    rival = bearer("rival", "admin")
    unseen = await api.http.get(f"/v1/answers/{answer_id}", headers=rival)
    assert (unseen.status_code, unseen.json()["code"]) == (404, "not_found")
    assert (await listed(api, "rival"))["items"] == []


async def test_the_last_word_on_an_answer_counts(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    answer_id = (await api.ask(QUESTION))["answer_id"]
    said = {"answer_id": answer_id, "rating": "up"}
    first = await api.post("/v1/feedback", **said)
    again = await api.post("/v1/feedback", **said | {"rating": "down", "comment": " No. "})
    assert (first.status_code, again.status_code) == (200, 200)
    assert (again.json()["rating"], again.json()["comment"]) == ("down", "No.")
    assert (await trail(api, answer_id))["feedback"] == [again.json()]


@pytest.mark.parametrize(
    "body",
    [
        {"rating": "up"},
        {"answer_id": str(uuid4()), "rating": 5},
        {"answer_id": "x", "rating": "up"},
        {"answer_id": str(uuid4()), "rating": "up", "comment": "\0"},
        {"answer_id": str(uuid4()), "rating": "up", "comment": "x" * 2001},
    ],
)
async def test_feedback_that_says_nothing_clear_is_refused(
    api: QueryApi, body: dict[str, Any]
) -> None:
    refused = await api.post("/v1/feedback", **body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


async def test_feedback_needs_an_answer_of_the_tenant_s_own(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    answer_id = (await api.ask(QUESTION))["answer_id"]
    for tenant, id_ in (("rival", answer_id), ("acme", str(uuid4()))):
        refused = await api.post("/v1/feedback", tenant, answer_id=id_, rating="up")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert (await trail(api, answer_id))["feedback"] == []


async def test_a_price_makes_a_cost(
    settings: Settings, corpus: Corpus, provider: Provider, database: Database
) -> None:
    await corpus.add(LEAVE)
    openai = OpenAISettings(api_key=KEY, base_url=provider.url, chat_model="gpt-test")
    priced = keeping(settings, prices={"gpt-test": Price(input=2.0, output=10.0)})
    async with started_query_api(priced.model_copy(update={"openai": openai})) as api:
        answer = await api.ask(QUESTION)
        usage = answer["usage"]
        assert usage["total_tokens"] > 0
        cost = (usage["prompt_tokens"] * 2 + usage["completion_tokens"] * 10) / 1_000_000
        assert usage["cost"] == pytest.approx(cost)
        assert "cost" not in (await api.ask(QUESTION, model="extractive"))["usage"]
    used = await rows(database, "SELECT * FROM chat_usage ORDER BY model")
    assert [(row["model"], row["answers"], row["unpriced"]) for row in used] == [
        ("extractive", 1, 0),
        ("gpt-test", 1, 0),
    ]
    assert used[1]["cost"] == pytest.approx(cost)


@contextmanager
def away(postgres_url: str, name: str) -> Iterator[None]:
    """Let nobody into a database, and put out those who are in it."""
    allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(allow.format(Identifier(name), SQL("false")))
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            yield
        finally:
            connection.execute(allow.format(Identifier(name), SQL("true")))


def a_row(**changes: Any) -> NewAnswer:
    row: dict[str, Any] = {
        "id": new_id(),
        "tenant_id": "acme",
        "asked_at": datetime.now(UTC),
        "asked_by": "key:x",
        "collection": "default",
        "outcome": "generated",
        "model": "m",
        "prompt_tokens": 3,
    }
    return NewAnswer(**row | changes)


async def test_a_row_that_comes_twice_is_one_and_counted_once(database: Database) -> None:
    recorder = Trail(database)
    row = a_row()
    await recorder.put(row)
    await recorder.put(row)
    await recorder.aclose()
    assert len(await rows(database, "SELECT * FROM answers")) == 1
    used = await rows(database, "SELECT answers, prompt_tokens, unpriced FROM chat_usage")
    assert used == [{"answers": 1, "prompt_tokens": 3, "unpriced": 1}]


async def test_an_asker_that_leaves_at_the_very_end_has_an_answer(database: Database) -> None:
    recorder = Trail(database)
    row = a_row()
    recorder.add(row)
    recorder.add(replace(row, outcome="left", prompt_tokens=0))
    await recorder.aclose()
    assert await rows(database, "SELECT outcome FROM answers") == [{"outcome": "generated"}]
    assert await rows(database, "SELECT answers FROM chat_usage") == [{"answers": 1}]


async def test_a_row_that_cannot_be_written_keeps_no_other_from_it(database: Database) -> None:
    recorder = Trail(database)
    good, bad = a_row(), a_row(outcome=None)
    for row in (a_row(), bad, good):
        recorder.add(row)
    await recorder.aclose()
    ids = {row["id"] for row in await rows(database, "SELECT id FROM answers")}
    assert good.id in ids
    assert bad.id not in ids


async def test_rows_wait_while_postgres_is_away(
    settings: Settings, corpus: Corpus, postgres_url: str, database_url: str, database: Database
) -> None:
    recorder = Trail(database, retry_s=0.05)
    await recorder.put(a_row())
    with away(postgres_url, database_url.rpartition("/")[2]):
        written = recorder.add(a_row())
        await recorder.put(a_row())
        assert not written.is_set()
    await written.wait()
    await recorder.aclose()
    assert len(await rows(database, "SELECT * FROM answers")) == 3


async def test_answers_go_when_they_are_old(database: Database) -> None:
    recorder = Trail(database)
    for _ in range(3):
        recorder.add(a_row())
    await recorder.aclose()
    old = "UPDATE answers SET asked_at = now() - interval '8 days' WHERE id <> :id"
    kept = (await rows(database, "SELECT id FROM answers ORDER BY id DESC LIMIT 1"))[0]["id"]
    async with database.worker() as connection:
        await connection.execute(text(old), {"id": kept})
    assert await prune_answers(database, days=7, most=1) == 2
    assert [row["id"] for row in await rows(database, "SELECT id FROM answers")] == [kept]
    assert await rows(database, "SELECT answers FROM chat_usage") == [{"answers": 3}]


@pytest.fixture
async def claude(settings: Settings) -> AsyncIterator[tuple[QueryApi, AnthropicProvider]]:
    with start_anthropic() as provider:
        anthropic = AnthropicSettings(
            api_key=SecretStr(KEY), base_url=provider.url, chat_model="claude-test"
        )
        priced = keeping(settings, prices={"claude-test": Price(input=3.0, output=15.0)})
        async with started_query_api(priced.model_copy(update={"anthropic": anthropic})) as api:
            yield api, provider


async def spent(api: QueryApi, outcome: str) -> None:
    """Check that the only answer took what the provider told at its beginning, and came to this."""
    await api.context.trail.aclose()
    [row] = await rows(
        api.context.database,
        "SELECT a.outcome, a.prompt_tokens = u.prompt_tokens AS same, u.model, u.answers,"
        " u.prompt_tokens > 100 AS sent, u.completion_tokens, u.cost = a.cost AS priced"
        " FROM answers a, chat_usage u",
    )
    assert row == {
        "outcome": outcome,
        "same": True,
        "model": "claude-test",
        "answers": 0,
        "sent": True,
        "completion_tokens": 1,
        "priced": True,
    }


async def test_what_an_answer_took_that_broke_off_is_counted(
    claude: tuple[QueryApi, AnthropicProvider], corpus: Corpus
) -> None:
    await corpus.add(LEAVE)
    api, provider = claude
    provider.chat_text, provider.manner = "Parental leave is 16 weeks [1]. And", Manner(breaks_at=6)
    body = {"question": QUESTION, "stream": True}
    async with api.http.stream("POST", "/v1/query", json=body, headers=bearer("acme")) as stream:
        assert [event.name async for event in told(stream)] == ["meta", "token", "error"]
    await spent(api, "failed")


async def test_what_an_answer_took_whose_asker_left_is_counted(
    claude: tuple[QueryApi, AnthropicProvider], corpus: Corpus
) -> None:
    await corpus.add(LEAVE)
    api, provider = claude
    provider.chat_text, provider.manner = "Parental leave is 16 weeks [1]. And", Manner(hangs_at=6)
    question = Question(answer_id=new_id(), tenant_id="acme", text=QUESTION)
    answerer = api.context.answerer
    stream = answerer.stream(await answerer.retrieve(question))
    assert isinstance(await anext(stream), str)
    await stream.aclose()
    await spent(api, "left")


@pytest.mark.parametrize("collection", ["default", "unknown"])
async def test_what_it_took_to_understand_a_question_is_counted_whatever_comes_of_it(
    claude: tuple[QueryApi, AnthropicProvider], corpus: Corpus, collection: str
) -> None:
    await corpus.add(LEAVE)
    api, provider = claude
    provider.chat_text = "Whole?"
    leaves = collection == "default"
    provider.manner = Manner(hangs_at=0, hang_s=30) if leaves else Manner()
    question = Question(
        answer_id=new_id(),
        tenant_id="acme",
        text="And then?",
        collection=collection,
        history=[Turn("user", QUESTION)],
    )
    retrieving = asyncio.create_task(api.context.answerer.retrieve(question))
    await until(lambda: question.spent.usage.model is not None)
    if leaves:
        retrieving.cancel()
    with pytest.raises(asyncio.CancelledError if leaves else NotFound):
        await retrieving
    await spent(api, "left" if leaves else "failed")


async def test_a_wrong_filter_is_told_before_a_model_is_paid(
    claude: tuple[QueryApi, AnthropicProvider], corpus: Corpus
) -> None:
    await corpus.add(LEAVE)
    api, provider = claude
    before = [{"role": "user", "content": QUESTION}]
    filters = {"page": {"near": 1}}
    wrong = await api.post("/v1/query", question="And then?", history=before, filters=filters)
    assert (wrong.status_code, provider.requests) == (422, [])


async def test_an_asker_that_leaves_is_told(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    answerer = api.context.answerer
    question = Question(answer_id=new_id(), tenant_id="acme", text=QUESTION, asked_by="key:x")
    stream = answerer.stream(await answerer.retrieve(question))
    assert isinstance(await anext(stream), str)
    await stream.aclose()
    await api.context.trail.aclose()
    found = await trail(api, str(question.answer_id))
    assert (found["outcome"], found["asked_by"]) == ("left", "key:x")
    assert found["sources"] == []
