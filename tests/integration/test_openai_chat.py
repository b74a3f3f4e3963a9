"""Search, models and chat as OpenAI's official client sees them."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from fastapi import FastAPI
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic import SecretStr
from sqlalchemy import text

from services.query_api.chat_models import backoff
from shared.database.engine import Database
from shared.identity import new_id
from shared.settings_providers import OpenAISettings
from tests.support.apps import query_app
from tests.support.openai_client import openai_client
from tests.support.provider import KEY, Manner, Provider, start_provider
from tests.support.query_api import Corpus, query_settings, token
from tests.support.serving import served
from tests.support.waiting import until

LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
VACATION = "Every employee has 26 days of paid vacation a year."
TORQUE = "Tighten the wheel bolts to a torque of 120 newton metres."
QUESTION = "How long is parental leave?"
ASKED: list[Any] = [{"role": "user", "content": QUESTION}]
SOURCE = "[Source: hr.txt, page 2]"
STORE = f"vs_{'1' * 32}"


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.behave()
    server.chat_text = "It is 16 weeks at full pay [2]. It may be taken in two parts [2]."
    return server


@pytest.fixture
async def app(
    database_url: str, qdrant_url: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.01)
    chat = OpenAISettings(api_key=SecretStr(KEY), base_url=provider.url, chat_model="gpt-test")
    async with query_app(query_settings(database_url, qdrant_url, openai=chat)) as app:
        yield app


@pytest.fixture
async def client(app: FastAPI, corpus: Corpus) -> AsyncOpenAI:
    """A client of a tenant whose store and default collection hold the same two documents."""
    for collection in ("default", STORE):
        await corpus.add(
            VACATION, LEAVE, filename="hr.txt", collection=collection, attributes={"year": 2026}
        )
        await corpus.add(
            TORQUE, filename="manual.txt", collection=collection, attributes={"year": 2020}
        )
    return openai_client(app, token("acme"))


async def ask(client: AsyncOpenAI, **wish: Any) -> ChatCompletion:
    body = {"vector_store_ids": [STORE]} | wish.pop("extra_body", {})
    completion: ChatCompletion = await client.chat.completions.create(
        **{"model": "citewell", "messages": ASKED, "extra_body": body, **wish}
    )
    return completion


class TestSearch:
    async def test_a_store_is_searched(self, client: AsyncOpenAI) -> None:
        found = await client.vector_stores.search(STORE, query=QUESTION)
        assert found.object == "vector_store.search_results.page"
        best = found.data[0]
        assert (best.filename, best.attributes) == ("hr.txt", {"year": 2026})
        assert [piece.text for piece in best.content] == [LEAVE]
        assert 0.5 < best.score <= 1
        assert len(found.data) == 3

    async def test_a_hit_names_the_kept_file_it_came_from(
        self, client: AsyncOpenAI, database: Database
    ) -> None:
        own = (await client.vector_stores.search(STORE, query=QUESTION)).data[0].file_id
        file_id = new_id()
        async with database.worker() as connection:
            await connection.execute(text("UPDATE documents SET file_id = :id"), {"id": file_id})
            await connection.execute(text("UPDATE documents SET attributes = '{}'"))
        found = await client.vector_stores.search(STORE, query=QUESTION)
        assert own != found.data[0].file_id == f"file-{file_id.hex}"

    async def test_several_queries_are_one_list(self, client: AsyncOpenAI) -> None:
        both = await client.vector_stores.search(
            STORE, query=[QUESTION, "Which torque for wheel bolts?"], max_num_results=2
        )
        assert {one.content[0].text for one in both.data} == {LEAVE, TORQUE}
        scores = [one.score for one in both.data]
        assert scores == sorted(scores, reverse=True)

    async def test_filters_and_thresholds_cut(self, client: AsyncOpenAI) -> None:
        old = await client.vector_stores.search(
            STORE, query=QUESTION, filters={"type": "lt", "key": "year", "value": 2021}
        )
        assert [one.filename for one in old.data] == ["manual.txt"]
        none = await client.vector_stores.search(
            STORE,
            query=QUESTION,
            filters={
                "type": "and",
                "filters": [
                    {"type": "eq", "key": "year", "value": 2026},
                    {"type": "eq", "key": "filename", "value": "manual.txt"},
                ],
            },
        )
        assert none.data == []
        near = await client.vector_stores.search(
            STORE,
            query=QUESTION,
            ranking_options={"ranker": "none", "score_threshold": 0.5},
            rewrite_query=False,
        )
        assert [one.content[0].text for one in near.data] == [LEAVE]

    async def test_a_wrong_search_is_a_bad_request(self, client: AsyncOpenAI) -> None:
        wishes: list[dict[str, Any]] = [
            {"filters": {"type": "like", "key": "a", "value": "x"}},
            {"filters": {"type": "gt", "key": "filename", "value": "x"}},
            {"filters": {"type": "eq", "key": "a", "value": {"x": 1}}},
            {"max_num_results": 51},
            {"rewrite_query": True},
            {"ranking_options": {"score_threshold": 2}},
            {"query": []},
            {"query": ""},
        ]
        for wish in wishes:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.vector_stores.search(STORE, **{"query": "x", **wish})
            assert str(caught.value.param).startswith(next(iter(wish)))

    async def test_an_unknown_store_is_not_found(self, client: AsyncOpenAI) -> None:
        for store in (f"vs_{'2' * 32}", "default", "vs_x", "VS_" + "1" * 32):
            with pytest.raises(openai.NotFoundError):
                await client.vector_stores.search(store, query="x")
            with pytest.raises(openai.NotFoundError):
                await ask(client, extra_body={"vector_store_ids": [store]})

    @pytest.mark.usefixtures("client")
    async def test_another_tenant_finds_no_store(self, app: FastAPI) -> None:
        rival = openai_client(app, token("rival"))
        with pytest.raises(openai.NotFoundError):
            await rival.vector_stores.search(STORE, query="x")
        with pytest.raises(openai.NotFoundError):
            await ask(rival)

    async def test_keys_and_scopes_are_looked_at(self, app: FastAPI) -> None:
        for call in (openai_client(app, "sk-x").models.list(), ask(openai_client(app, "sk-x"))):
            with pytest.raises(openai.AuthenticationError):
                await call
        loader = openai_client(app, token("acme", "ingest"))
        with pytest.raises(openai.PermissionDeniedError):
            await loader.vector_stores.search(STORE, query="x")


class TestModels:
    async def test_models_are_those_that_answer(self, client: AsyncOpenAI) -> None:
        names = [model.id async for model in client.models.list()]
        assert names == ["citewell", "gpt-test", "extractive"]
        assert (await client.models.retrieve("gpt-test")).owned_by == "citewell"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("gpt-0")


class TestChat:
    async def test_an_answer_has_its_sources_where_they_stand(self, client: AsyncOpenAI) -> None:
        completion = await ask(client)
        message = completion.choices[0].message
        content = message.content or ""
        assert (
            content
            == f"It is 16 weeks at full pay {SOURCE}. It may be taken in two parts {SOURCE}."
        )
        assert (completion.model, completion.choices[0].finish_reason) == ("gpt-test", "stop")
        assert message.refusal is None
        assert completion.usage is not None
        assert completion.usage.total_tokens > 0
        annotations = message.annotations or []
        assert [one.type for one in annotations] == ["url_citation"] * 2
        cited = [one.url_citation for one in annotations]
        assert [content[one.start_index : one.end_index] for one in cited] == [SOURCE] * 2
        assert {one.title for one in cited} == {"hr.txt"}
        told = [one.model_dump()["file_citation"] for one in annotations]
        assert [one["page"] for one in told] == [2, 2]
        assert all(one["quote"] in LEAVE for one in told)
        assert all(one["file_id"].startswith("file-") for one in told)

    async def test_it_is_a_completion_to_the_letter_and_tells_more(
        self, client: AsyncOpenAI
    ) -> None:
        completion = await ask(client)
        ChatCompletion.model_validate(completion.model_dump(), strict=True)
        told: dict[str, Any] = completion.model_extra or {}
        assert told["citewell"]["abstained"] is False
        assert told["citewell"]["confidence"] > 0
        assert completion.id == f"chatcmpl-{told['citewell']['answer_id'].replace('-', '')}"

    async def test_a_stream_comes_sentence_by_sentence(self, client: AsyncOpenAI) -> None:
        whole = (await ask(client)).choices[0].message
        stream = await client.chat.completions.create(
            model="citewell",
            messages=ASKED,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"vector_store_ids": [STORE]},
        )
        chunks = [chunk async for chunk in stream]
        assert len({chunk.id for chunk in chunks}) == 1
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert (deltas[0].role, deltas[0].content) == ("assistant", "")
        texts = [delta.content for delta in deltas[1:-1]]
        assert len(texts) == 2
        assert "".join(text or "" for text in texts) == whole.content
        last = chunks[-2]
        assert last.choices[0].finish_reason == "stop"
        sources = last.choices[0].delta.model_dump()["annotations"]
        assert sources == [one.model_dump() for one in whole.annotations or []]
        assert (chunks[-1].choices, chunks[0].usage) == ([], None)
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.total_tokens > 0

    async def test_a_stream_ends_in_done_and_without_usage_unless_asked(
        self, client: AsyncOpenAI
    ) -> None:
        async with client.chat.completions.with_streaming_response.create(
            model="extractive", messages=ASKED, stream=True
        ) as response:
            lines = [line async for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        told = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
        assert all("usage" not in one for one in told)
        assert told[-1]["choices"][0]["finish_reason"] == "stop"
        assert told[-1]["citewell"]["model"] == "extractive"

    async def test_the_sdks_own_stream_helper_reads_it(self, client: AsyncOpenAI) -> None:
        async with client.chat.completions.stream(
            model="citewell", messages=ASKED, extra_body={"vector_store_ids": [STORE]}
        ) as stream:
            final = await stream.get_final_completion()
        assert SOURCE in (final.choices[0].message.content or "")

    async def test_an_abstention_is_a_completion_that_says_so(
        self, client: AsyncOpenAI, provider: Provider
    ) -> None:
        asked: list[Any] = [{"role": "user", "content": "Who won the race in Monza?"}]
        completion = await ask(client, messages=asked)
        choice = completion.choices[0]
        assert (choice.finish_reason, choice.message.refusal) == ("stop", None)
        assert choice.message.content
        assert choice.message.annotations == []
        assert (completion.model_extra or {})["citewell"]["abstained"] is True
        assert provider.requests == []

    async def test_a_store_may_be_named_as_a_tool(self, client: AsyncOpenAI) -> None:
        tool = {"type": "file_search", "vector_store_ids": [STORE]}
        completion = await ask(client, extra_body={"vector_store_ids": None, "tools": [tool]})
        assert SOURCE in (completion.choices[0].message.content or "")
        filtered = {**tool, "filters": {"type": "eq", "key": "year", "value": 2020}}
        completion = await ask(client, extra_body={"vector_store_ids": None, "tools": [filtered]})
        assert (completion.model_extra or {})["citewell"]["abstained"] is True

    async def test_the_last_user_message_is_the_question(
        self, client: AsyncOpenAI, provider: Provider
    ) -> None:
        messages: list[Any] = [
            {"role": "system", "content": "You are a pirate."},
            {"role": "user", "content": "Which torque for wheel bolts?"},
            {"role": "assistant", "content": "120 newton metres."},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ]
        completion = await ask(client, messages=messages)
        assert SOURCE in (completion.choices[0].message.content or "")
        assert "pirate" not in json.dumps(provider.requests)

    async def test_a_follow_up_is_understood_by_what_was_said_before(
        self, client: AsyncOpenAI
    ) -> None:
        messages: list[Any] = [
            {"role": "user", "content": "How long is parental leave?"},
            {"role": "assistant", "content": f"16 weeks {SOURCE}."},
            {"role": "user", "content": "In how many parts?"},
        ]
        completion = await ask(client, messages=messages, model="extractive")
        assert SOURCE in (completion.choices[0].message.content or "")
        alone = await ask(client, messages=messages[-1:], model="extractive")
        assert (completion.model_extra or {})["citewell"]["searched_for"]
        assert (
            "searched_for" not in (alone.model_extra or {})["citewell"]
            or not (alone.model_extra or {})["citewell"]["searched_for"]
        )

    async def test_what_is_not_done_is_a_bad_request(self, client: AsyncOpenAI) -> None:
        wishes: list[tuple[dict[str, Any], str]] = [
            ({"messages": []}, "messages"),
            ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
            ({"messages": [{"role": "user", "content": " "}]}, "messages"),
            ({"messages": [{"role": "user", "content": "x" * 1001}]}, "messages"),
            ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
            ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
            ({"temperature": 1.5}, "temperature"),
            ({"n": 2}, "n"),
            ({"max_tokens": 5}, "max_tokens"),
            ({"stop": "x"}, "stop"),
            ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
            ({"extra_body": {"vector_store_ids": [STORE, STORE]}}, "vector_store_ids"),
            ({"extra_body": {"collection": "default"}}, "collection"),
            ({"extra_body": {"filters": {"type": "x"}}}, "filters"),
            (
                {"tools": [{"type": "file_search", "vector_store_ids": [STORE]}]},
                "tools",
            ),
        ]
        for wish, param in wishes:
            with pytest.raises(openai.BadRequestError) as caught:
                await ask(client, **wish)
            assert str(caught.value.param).startswith(param)
            assert caught.value.type == "invalid_request_error"

    async def test_a_named_model_that_fails_is_an_error_of_its_own(
        self, client: AsyncOpenAI, provider: Provider
    ) -> None:
        for stream in (False, True):
            provider.fail(401, times=9)
            with pytest.raises(openai.InternalServerError) as caught:
                await client.chat.completions.create(
                    model="gpt-test",
                    messages=ASKED,
                    stream=stream,
                    extra_body={"vector_store_ids": [STORE]},
                )
            assert caught.value.status_code == 502
            assert caught.value.code == "generation_unavailable"

    async def test_a_model_that_breaks_off_ends_the_stream_with_an_error(
        self, client: AsyncOpenAI, provider: Provider
    ) -> None:
        provider.manner = Manner(breaks_at=14)
        texts: list[str] = []
        stream = await client.chat.completions.create(
            model="gpt-test",
            messages=ASKED,
            stream=True,
            extra_body={"vector_store_ids": [STORE]},
        )

        async def read() -> None:
            async for chunk in stream:
                texts.append(chunk.choices[0].delta.content or "")  # noqa: PERF401

        with pytest.raises(openai.APIError) as caught:
            await read()
        assert caught.value.code == "generation_unavailable"
        assert "".join(texts).startswith("It is 16 weeks at full pay")

    @pytest.mark.usefixtures("client")
    async def test_who_leaves_a_stream_ends_the_call_at_the_provider(
        self, app: FastAPI, provider: Provider
    ) -> None:
        provider.chat_text = "It is 16 weeks at full pay [2]. " * 30
        provider.manner = Manner(pause_s=0.05)
        async with served(app) as port:
            own = AsyncOpenAI(api_key=token("acme"), base_url=f"http://127.0.0.1:{port}/openai/v1")
            stream = await own.chat.completions.create(
                model="citewell",
                messages=ASKED,
                stream=True,
                extra_body={"vector_store_ids": [STORE]},
            )
            chunks = [await anext(aiter(stream)) for _ in range(2)]
            await stream.close()
            await until(lambda: provider.left == 1)
            await own.close()
        assert "16 weeks" in (chunks[1].choices[0].delta.content or "")
