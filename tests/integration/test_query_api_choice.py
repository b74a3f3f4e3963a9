"""What a search gives beside order: neighbours, copies named, a share for each document."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import insert, text

from shared.database.engine import Database
from shared.database.tables import chunks
from shared.settings_providers import OpenAISettings
from tests.support.provider import KEY, Provider, start_provider
from tests.support.query_api import (
    Corpus,
    QueryApi,
    StoredVersion,
    chunk_row,
    patient_query,
    query_settings,
    started_query_api,
)

OATH = "The captain swears an oath."
MANUAL = (
    "The pump stands in the cellar. It is driven by a belt.",
    "It is driven by a belt. Change the belt of the pump every second year.",
    "A worn belt slips and smells of rubber.",
    "Nobody may enter the cellar alone.",
)
LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
QUESTION = "How long is parental leave?"


@pytest.fixture
async def api(database_url: str, qdrant_url: str) -> AsyncIterator[QueryApi]:
    async with started_query_api(query_settings(database_url, qdrant_url)) as api:
        yield api


@pytest.fixture
async def shallow(database_url: str, qdrant_url: str) -> AsyncIterator[QueryApi]:
    """A query API that takes few candidates at a time."""
    settings = query_settings(database_url, qdrant_url, query=patient_query(depth=10))
    async with started_query_api(settings) as api:
        yield api


def texts(found: dict[str, Any]) -> list[str]:
    return [hit["text"] for hit in found["hits"]]


def names(found: Sequence[dict[str, Any]]) -> list[str]:
    return [one["filename"] for one in found]


def around(hit: dict[str, Any]) -> str:
    """Return a hit's text in its context, as a reader would put it together."""
    before, after = (
        "".join(one["text"] for one in hit["context"][side]) for side in ("before", "after")
    )
    return f"{before}{hit['text']}{after}"


def remembered() -> float:
    labels = {"cache": "results", "outcome": "hit"}
    return REGISTRY.get_sample_value("citewell_cache_lookups_total", labels) or 0.0


def written_by(provider: Provider) -> OpenAISettings:
    return OpenAISettings(api_key=SecretStr(KEY), base_url=provider.url, chat_model="gpt-test")


async def remove_chunk(database: Database, chunk_id: UUID) -> None:
    """Take a chunk away behind the back of the generation, so that what is kept still counts."""
    async with database.worker() as connection:
        await connection.execute(text("DELETE FROM chunks WHERE id = :id"), {"id": chunk_id})


async def test_what_is_not_asked_for_is_not_sent(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(*MANUAL)
    for hit in (await api.search("belt of the pump"))["hits"]:
        assert not {"context", "duplicates"} & set(hit)


async def test_neighbours_stand_around_a_hit_and_repeat_nothing(
    api: QueryApi, corpus: Corpus
) -> None:
    stored = await corpus.add(*MANUAL, filename="pump.txt")
    await corpus.add(OATH)
    found = await api.search("Change the belt every second year", limit=1, neighbours=2)
    [hit] = found["hits"]
    assert hit["text"] == MANUAL[1]
    before, after = hit["context"]["before"], hit["context"]["after"]
    assert [one["ordinal"] for one in (*before, *after)] == [0, 2, 3]
    assert [one["chunk_id"] for one in before] == [str(stored.chunk_ids[0])]
    assert (after[0]["page_start"], after[0]["section"]) == (3, ["Section 3"])
    assert around(hit) == "\n\n".join(
        ("The pump stands in the cellar. " + MANUAL[1], MANUAL[2], MANUAL[3])
    )
    assert "duplicates" not in hit


async def test_hits_that_are_neighbours_stand_in_each_others_context(
    api: QueryApi, corpus: Corpus
) -> None:
    await corpus.add(*MANUAL[:2])
    found = await api.search("belt", neighbours=1)
    hits = {hit["ordinal"]: hit for hit in found["hits"]}
    assert len(hits[0]["context"]["after"]) == len(hits[1]["context"]["before"]) == 1
    assert around(hits[0]) == around(hits[1]).replace("\n\n", " ")


async def test_neighbours_are_those_of_the_live_version(api: QueryApi, corpus: Corpus) -> None:
    old = await corpus.add("Old beginning.", OATH, "Old end.")
    await corpus.add(OATH, "New end.", document_id=old.document_id, version=2)
    [hit, _] = (await api.search("captain swears", neighbours=3))["hits"]
    assert around(hit) == f"{OATH}\n\nNew end."


async def test_a_neighbour_that_is_gone_is_not_shown_from_what_is_kept(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    stored = await corpus.add(*MANUAL)
    search: dict[str, Any] = {
        "query": "Change the belt every second year",
        "limit": 1,
        "neighbours": 1,
    }
    [hit] = (await api.search(**search))["hits"]
    assert len(hit["context"]["before"]) == len(hit["context"]["after"]) == 1
    await remove_chunk(database, stored.chunk_ids[0])
    kept = remembered()
    [hit] = (await api.search(**search))["hits"]
    assert remembered() == kept + 1
    assert hit["context"]["before"] == []
    assert len(hit["context"]["after"]) == 1
    # The same search with more around it is the same result.
    [hit] = (await api.search(**search | {"neighbours": 2}))["hits"]
    assert remembered() == kept + 2
    assert len(hit["context"]["after"]) == 2


async def test_no_neighbour_of_another_tenant_is_shown(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    own = await corpus.add(OATH)
    rival = StoredVersion(own.document_id, own.version_id, [])
    index_id = corpus.indexes["acme", "default"][1]
    async with database.worker() as connection:
        row = chunk_row("rival", index_id, rival, 1, "The rival's secret.")
        await connection.execute(insert(chunks), [row])
    [hit] = (await api.search("captain swears", neighbours=1))["hits"]
    assert hit["context"] == {"before": [], "after": []}


async def test_copies_are_named_in_the_best_of_them(api: QueryApi, corpus: Corpus) -> None:
    stored = {name: await corpus.add(LEAVE, filename=name) for name in ("a.txt", "b.txt", "c.txt")}
    await corpus.add(LEAVE.replace("16", "14"), filename="old.txt")
    assert len((await api.search(QUESTION))["hits"]) == 4
    found = await api.search(QUESTION, distinct=True)
    hits = {hit["text"]: hit for hit in found["hits"]}
    assert len(found["hits"]) == len(hits) == 2
    kept = hits[LEAVE]
    assert sorted([kept["filename"], *names(kept["duplicates"])]) == sorted(stored)
    for copy in kept["duplicates"]:
        of = stored[copy["filename"]]
        assert copy["document_id"] == str(of.document_id)
        assert (copy["chunk_id"], copy["page_start"]) == (str(of.chunk_ids[0]), 1)
    assert hits[LEAVE.replace("16", "14")]["duplicates"] == []


async def test_a_copy_in_another_tenants_corpus_is_not_named(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE, filename="own.txt")
    await corpus.add(LEAVE, tenant="rival", filename="secret.txt")
    for tenant in ("acme", "rival"):
        [hit] = (await api.search(QUESTION, tenant, distinct=True))["hits"]
        assert hit["duplicates"] == []


async def test_a_copy_that_is_gone_is_not_named_from_what_is_kept(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    await corpus.add(LEAVE, filename="a.txt")
    await corpus.add(LEAVE, filename="b.txt")
    await corpus.add(LEAVE, filename="c.txt")
    [hit] = (await api.search(QUESTION, distinct=True))["hits"]
    assert len(hit["duplicates"]) == 2
    await remove_chunk(database, UUID(hit["duplicates"][0]["chunk_id"]))
    kept = remembered()
    [again] = (await api.search(QUESTION, distinct=True))["hits"]
    assert remembered() == kept + 1
    assert again["duplicates"] == hit["duplicates"][1:]


async def test_when_the_best_of_the_copies_goes_the_next_takes_its_place(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    stored = {name: await corpus.add(LEAVE, filename=name) for name in ("a.txt", "b.txt")}
    [first] = (await api.search(QUESTION, distinct=True))["hits"]
    await remove_chunk(database, UUID(first["chunk_id"]))
    [second] = (await api.search(QUESTION, distinct=True))["hits"]
    assert {first["filename"], second["filename"]} == set(stored)
    assert second["duplicates"] == []
    await corpus.delete(stored[second["filename"]])
    assert (await api.search(QUESTION, distinct=True))["hits"] == []


async def test_what_lies_behind_many_copies_is_still_found(
    shallow: QueryApi, corpus: Corpus
) -> None:
    for number in range(15):
        await corpus.add(LEAVE, filename=f"{number}.txt")
    await corpus.add("Dogs bark.", filename="other.txt")
    found = await shallow.search(QUESTION, limit=2, distinct=True)
    assert len(found["hits"]) == 2
    assert found["hits"][1]["filename"] == "other.txt"
    assert "degraded" not in found


async def test_copies_without_end_are_told(shallow: QueryApi, corpus: Corpus) -> None:
    for number in range(60):
        await corpus.add(LEAVE, filename=f"{number}.txt")
    found = await shallow.search(QUESTION, limit=2, distinct=True)
    assert len(found["hits"]) == 1
    assert found["degraded"] == ["incomplete"]


async def test_beyond_a_documents_share_the_next_documents_fill_up(
    api: QueryApi, corpus: Corpus
) -> None:
    long = [f"Parental leave, how long it is, part {number}." for number in range(6)]
    await corpus.add(*long, filename="manual.txt")
    await corpus.add("Parental matters of length.", "Dogs bark.", filename="other.txt")
    everything = await api.search(QUESTION, limit=4)
    assert names(everything["hits"]) == ["manual.txt"] * 4
    shared = await api.search(QUESTION, limit=4, max_per_document=2)
    assert names(shared["hits"]).count("manual.txt") == 2
    assert names(shared["hits"]).count("other.txt") == 2
    fused = [hit["scores"]["fused"] for hit in shared["hits"]]
    assert fused == sorted(fused, reverse=True)


async def test_a_long_document_does_not_hide_what_lies_behind_its_share(
    shallow: QueryApi, corpus: Corpus
) -> None:
    for name in ("one.txt", "two.txt"):
        long = [f"Parental leave, how long it is, part {number} of {name}." for number in range(45)]
        await corpus.add(*long, filename=name)
    await corpus.add("Dogs bark.", filename="other.txt")
    found = await shallow.search(QUESTION, limit=3, max_per_document=1)
    assert sorted(names(found["hits"])) == ["one.txt", "other.txt", "two.txt"]
    assert "degraded" not in found


@pytest.mark.parametrize("path", ["/v1/search", "/v1/query"])
@pytest.mark.parametrize(
    "wish",
    [
        {"neighbours": -1},
        {"neighbours": 4},
        {"neighbours": "all"},
        {"distinct": "perhaps"},
        {"max_per_document": 0},
        {"max_per_document": 101},
    ],
)
async def test_wishes_that_are_not_valid_are_422(
    api: QueryApi, path: str, wish: dict[str, Any]
) -> None:
    asked = {"query" if path == "/v1/search" else "question": "x"}
    refused = await api.post(path, **asked, **wish)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert next(iter(wish)) in refused.json()["detail"]


async def test_an_answer_rests_on_no_copies(api: QueryApi, corpus: Corpus) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        await corpus.add(LEAVE, filename=name)
    await corpus.add("Whoever adopts has parental leave too.", filename="adopting.txt")
    question = "How long is parental leave for whoever adopts?"
    wide = await api.ask(question, context_limit=2)
    narrow = await api.ask(question, context_limit=2, distinct=False)
    told = [{one["filename"] for one in answer["citations"]} for answer in (wide, narrow)]
    assert "adopting.txt" in told[0]
    assert len(told[0] - {"adopting.txt"}) <= 1


async def test_an_answer_behind_a_chunks_border_is_cited_where_it_stands(
    database_url: str, qdrant_url: str, corpus: Corpus
) -> None:
    stored = await corpus.add(*MANUAL, filename="pump.pdf")
    await corpus.add(OATH)
    question: dict[str, Any] = {
        "question": "Change the belt every second year?",
        "context_limit": 1,
    }
    with start_provider() as provider:
        provider.chat_text = "A worn belt smells of rubber [1]."
        settings = query_settings(database_url, qdrant_url, openai=written_by(provider))
        async with started_query_api(settings) as api:
            narrow = await api.ask(**question)
            wide = await api.ask(**question, neighbours=1)
        prompts = [json.dumps(request["messages"]) for request in provider.requests]
    assert [citation["page"] for citation in narrow["citations"]] == [2]
    [citation] = wide["citations"]
    assert (citation["page"], citation["quote"]) == (3, MANUAL[2])
    assert citation["chunk_id"] == str(stored.chunk_ids[2])
    assert wide["sources"] == ["[Source: pump.pdf, page 3]"]
    assert [MANUAL[2] in prompt for prompt in prompts] == [False, True]
    assert prompts[1].count("driven by a belt") == 1


async def test_hits_side_by_side_are_one_passage_of_the_prompt(
    database_url: str, qdrant_url: str, corpus: Corpus
) -> None:
    await corpus.add(*MANUAL[:2], filename="pump.pdf")
    with start_provider() as provider:
        settings = query_settings(database_url, qdrant_url, openai=written_by(provider))
        async with started_query_api(settings) as api:
            await api.ask("How is the belt of the pump driven?", score_threshold=0)
        [prompt] = [json.dumps(request["messages"]) for request in provider.requests]
    assert prompt.count("driven by a belt") == 1
    assert prompt.count("<passage number=") == 1
