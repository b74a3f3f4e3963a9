"""Results that are remembered: when they are, when they end, and that none shows what is gone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from shared.database.engine import Database
from shared.database.live_chunks import LiveChunks
from tests.support.query_api import (
    Corpus,
    QueryApi,
    patient_query,
    query_settings,
    started_query_api,
)

LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
VACATION = "Every employee has 26 days of paid vacation a year."
QUESTION = "How long is parental leave?"


@pytest.fixture
async def api(database_url: str, qdrant_url: str) -> AsyncIterator[QueryApi]:
    async with started_query_api(query_settings(database_url, qdrant_url)) as api:
        yield api


def lookups(outcome: str) -> float:
    labels = {"cache": "results", "outcome": outcome}
    return REGISTRY.get_sample_value("citewell_cache_lookups_total", labels) or 0.0


def texts(found: dict[str, Any]) -> list[str]:
    return [hit["text"] for hit in found["hits"]]


async def generation(database: Database, collection: str = "default") -> int:
    async with database.tenant("acme") as connection:
        index = await LiveChunks(connection).active_index(collection)
    assert index
    return index.generation


async def test_the_same_search_is_not_searched_twice(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE, VACATION)
    first, hits = await api.search(QUESTION), lookups("hit")
    again = await api.search(QUESTION)
    assert again["hits"] == first["hits"]
    assert lookups("hit") == hits + 1
    assert "search" in first["timings"]
    assert "search" not in again["timings"]


async def test_every_part_of_the_request_makes_it_another(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE, attributes={"year": 1})
    await corpus.add(VACATION, collection="other")
    await corpus.add(VACATION, tenant="rival")
    hits = lookups("hit")
    requests: list[dict[str, Any]] = [
        {},
        {"limit": 3},
        {"mode": "sparse"},
        {"filters": {"year": 1}},
        {"filters": {"year": {"gte": 1}}},
        {"filters": {"year": True}},
        {"score_threshold": 0.9},
        {"collection": "other"},
        {"tenant": "rival"},
    ]
    found = [texts(await api.search(QUESTION, **request)) for request in requests]
    assert lookups("hit") == hits
    assert found[5] == []
    assert found[7:] == [[VACATION], [VACATION]]


async def test_what_goes_live_is_found_and_what_is_deleted_is_not(
    api: QueryApi, corpus: Corpus
) -> None:
    stored = await corpus.add(VACATION)
    assert texts(await api.search(QUESTION)) == [VACATION]
    other = await corpus.add(LEAVE)
    assert set(texts(await api.search(QUESTION))) == {LEAVE, VACATION}
    await corpus.delete(stored)
    assert texts(await api.search(QUESTION)) == [LEAVE]
    await corpus.add(VACATION, document_id=other.document_id, version=2)
    assert texts(await api.search(QUESTION)) == [VACATION]


async def test_a_result_whose_chunk_is_gone_is_not_shown_whatever_the_generation_says(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    stored = await corpus.add(VACATION)
    await corpus.add(LEAVE)
    assert set(texts(await api.search(QUESTION))) == {LEAVE, VACATION}
    before = await generation(database)
    async with database.worker() as connection:
        await connection.execute(
            text("DELETE FROM chunks WHERE version_id = :id"), {"id": stored.version_id}
        )
    assert await generation(database) == before
    assert texts(await api.search(QUESTION)) == [LEAVE]


async def test_attributes_are_shown_as_they_are_now(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    stored = await corpus.add(LEAVE, attributes={"year": 1})
    await api.search(QUESTION)
    async with database.worker() as connection:
        await connection.execute(
            text("""UPDATE documents SET attributes = '{"year": 2}' WHERE id = :id"""),
            {"id": stored.document_id},
        )
    assert (await api.search(QUESTION))["hits"][0]["attributes"] == {"year": 2}


async def test_many_who_ask_the_same_at_once_search_once(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    found = await asyncio.gather(*(api.search(QUESTION) for _ in range(6)))
    assert [texts(one) for one in found] == [[LEAVE]] * 6
    assert sum("search" in one["timings"] for one in found) == 1


async def test_a_cache_of_no_bytes_is_off(
    database_url: str, qdrant_url: str, corpus: Corpus
) -> None:
    await corpus.add(LEAVE)
    query = patient_query(result_cache_bytes=0, vector_cache_bytes=0)
    async with started_query_api(query_settings(database_url, qdrant_url, query=query)) as api:
        found = [await api.search(QUESTION) for _ in range(2)]
    assert all("search" in one["timings"] for one in found)


async def test_a_generation_rises_with_each_transaction_that_changes_what_is_live(
    corpus: Corpus, database: Database
) -> None:
    stored = [await corpus.add(LEAVE) for _ in range(3)]
    before = await generation(database)
    async with database.worker() as connection:
        await connection.execute(text("UPDATE documents SET updated_at = now()"))
    assert await generation(database) == before
    async with database.worker() as connection:
        await connection.execute(text("UPDATE documents SET live_version = 2"))
        await connection.execute(text("UPDATE documents SET live_version = 3"))
    assert await generation(database) == before + 1
    await corpus.delete(stored[0])
    assert await generation(database) == before + 2


async def test_generations_rise_without_waiting_for_each_other(
    corpus: Corpus, database: Database
) -> None:
    change = text("UPDATE documents SET live_version = live_version + 1 WHERE id = :id")
    there = await corpus.add(LEAVE), await corpus.add(LEAVE, collection="other")
    here = await corpus.add(VACATION), await corpus.add(VACATION, collection="other")
    before = await generation(database), await generation(database, "other")
    # Two transactions that change both collections, in opposite orders: with a lock they would
    # wait for each other for ever.
    async with asyncio.timeout(20), database.worker() as one, database.worker() as two:
        await one.execute(change, {"id": there[0].document_id})
        await two.execute(change, {"id": here[1].document_id})
        await one.execute(change, {"id": there[1].document_id})
        await two.execute(change, {"id": here[0].document_id})
    assert await generation(database) == before[0] + 2
    assert await generation(database, "other") == before[1] + 2
