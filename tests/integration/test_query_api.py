"""Search and answers over a real Postgres and the embedded Qdrant server."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from services.query_api.generation.prompt import VERSION
from shared.database.chunks import Chunks
from shared.database.engine import Database
from shared.database.tables import collections, indexes
from shared.embeddings.sparse import ANALYSER
from tests.support.query_api import (
    Corpus,
    QueryApi,
    bearer,
    patient_query,
    query_settings,
    started_query_api,
)

VACATION = "Every employee has 26 days of paid vacation a year."
LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
TORQUE = "Tighten the wheel bolts to a torque of 120 newton metres."


@pytest.fixture
async def api(database_url: str, qdrant_url: str) -> AsyncIterator[QueryApi]:
    async with started_query_api(query_settings(database_url, qdrant_url)) as api:
        yield api


def texts(found: dict[str, Any]) -> list[str]:
    return [hit["text"] for hit in found["hits"]]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
async def test_every_mode_finds_the_passage(api: QueryApi, corpus: Corpus, mode: str) -> None:
    await corpus.add(VACATION, LEAVE, filename="hr/handbook.txt", attributes={"year": 2026})
    await corpus.add(TORQUE, filename="manual.txt")
    found = await api.search("How long is parental leave?", mode=mode)
    hit = found["hits"][0]
    assert hit["text"] == LEAVE
    assert (hit["filename"], hit["page_start"], hit["page_end"]) == ("hr/handbook.txt", 2, 2)
    assert (hit["version"], hit["ordinal"], hit["collection"]) == (1, 1, "default")
    assert (hit["attributes"], hit["section"]) == ({"year": 2026}, ["Section 2"])
    assert 0 <= hit["score"] <= 1
    scores = hit["scores"]
    assert set(scores) == {"dense", "sparse", "fused", "rerank"}
    assert (scores["dense"] is None) == (mode == "sparse")
    assert (scores["sparse"] is None) == (mode == "dense")
    assert "degraded" not in found
    assert found["timings"]["total"] > 0


async def test_a_question_of_stop_words_has_no_words_to_search_for(
    api: QueryApi, corpus: Corpus
) -> None:
    await corpus.add(VACATION)
    assert texts(await api.search("what is it?", mode="sparse")) == []
    assert texts(await api.search("what is it?", mode="hybrid")) == [VACATION]


async def test_an_index_that_is_not_ready_holds_nothing(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    await corpus.add(LEAVE)
    async with database.worker() as connection:
        await connection.execute(update(indexes).values(ready=False))
    assert texts(await api.search("parental leave")) == []


async def test_an_identifier_is_found_as_written(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add("Error E-1042 means that the pump is dry.", "Error E-2042 is harmless.")
    found = await api.search("E-1042", mode="sparse")
    assert texts(found)[0].startswith("Error E-1042")


async def test_a_question_is_read_in_the_languages_of_the_index(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    await corpus.add("Die Häuser werden von den Ämtern nicht vor dem Ende des Jahres bezahlt.")
    index_id = await corpus.collection()
    assert texts(await api.search("Haus", mode="sparse")) != []
    assert texts(await api.search("Zahlung der Häuser", mode="sparse")) == []
    async with database.worker() as connection:
        assert await Chunks(connection).speak(index_id, {"german": 1}) == {"german": 1}
        assert await Chunks(connection).speak(index_id, {"german": 2, "greek": 1}) == {
            "german": 3,
            "greek": 1,
        }
    assert len(texts(await api.search("Zahlung der Häuser", mode="sparse"))) == 1


async def test_terms_of_another_analyser_are_told(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    await corpus.add(LEAVE)
    for analyser, degraded in (("1", ["analyser"]), (ANALYSER, None)):
        async with database.worker() as connection:
            await connection.execute(update(indexes).values(analyser=analyser))
        assert (await api.search("parental leave")).get("degraded") == degraded
        assert "degraded" not in await api.search("parental leave", mode="dense")


async def test_limit_and_threshold_cut(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(VACATION, LEAVE, TORQUE)
    question = "How long is parental leave?"
    assert len((await api.search(question, limit=2))["hits"]) == 2
    cut = await api.search(question, score_threshold=0.5)
    assert texts(cut) == [LEAVE]


async def test_two_tenants_never_see_each_other(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE, tenant="acme", filename="acme.txt")
    await corpus.add(LEAVE, tenant="rival", filename="rival.txt")
    await corpus.add(LEAVE, tenant="rival", collection="secret")
    for tenant in ("acme", "rival"):
        found = await api.search("parental leave", tenant)
        assert [hit["filename"] for hit in found["hits"]] == [f"{tenant}.txt"]
        answer = await api.ask("How long is parental leave?", tenant)
        assert answer["sources"] == [f"[Source: {tenant}.txt, page 1]"]
    other = await api.post("/v1/search", "acme", query="parental leave", collection="secret")
    assert other.status_code == 404


async def test_a_point_of_another_tenant_in_ones_own_index_is_not_shown(
    api: QueryApi, corpus: Corpus
) -> None:
    await corpus.add(VACATION, tenant="acme")
    rivals = await corpus.add(LEAVE, tenant="rival")
    own = corpus.indexes["acme", "default"][1]
    await corpus._upsert(own, rivals, [LEAVE], {"tenant_id": "acme"})  # noqa: SLF001
    assert texts(await api.search("parental leave")) == [VACATION]


async def test_a_deleted_document_is_gone_at_once(api: QueryApi, corpus: Corpus) -> None:
    stored = await corpus.add(LEAVE)
    assert texts(await api.search("parental leave")) == [LEAVE]
    await corpus.delete(stored)
    assert texts(await api.search("parental leave")) == []
    assert (await api.ask("How long is parental leave?"))["abstained"] is True


async def test_only_the_live_version_is_seen(api: QueryApi, corpus: Corpus) -> None:
    old = await corpus.add("Parental leave is 12 weeks.")
    new = await corpus.add(LEAVE, document_id=old.document_id, version=2, live=False)
    assert texts(await api.search("parental leave")) == ["Parental leave is 12 weeks."]
    await corpus.go_live(new, 2)
    found = await api.search("parental leave")
    assert texts(found) == [LEAVE]
    assert found["hits"][0]["version"] == 2


async def test_what_lies_behind_dead_points_is_still_found(
    database_url: str, qdrant_url: str, corpus: Corpus
) -> None:
    await corpus.add("Parental leave is long, in some places.", filename="live.txt")
    for _ in range(12):
        dead = await corpus.add("Parental leave?", "Parental leave!")
        await corpus.delete(dead)
    settings = query_settings(database_url, qdrant_url, query=patient_query(depth=10))
    async with started_query_api(settings) as api:
        found = await api.search("Parental leave", limit=5)
    assert [hit["filename"] for hit in found["hits"]] == ["live.txt"]
    assert "degraded" not in found


async def test_a_search_that_gives_up_says_so(
    database_url: str, qdrant_url: str, corpus: Corpus
) -> None:
    for _ in range(80):
        dead = await corpus.add("Parental leave?")
        await corpus.delete(dead)
    settings = query_settings(database_url, qdrant_url, query=patient_query(depth=10))
    async with started_query_api(settings) as api:
        found = await api.search("Parental leave", limit=5)
    assert found["hits"] == []
    assert found["degraded"] == ["incomplete"]


async def test_an_orphan_point_hides_no_live_chunk(
    database_url: str, qdrant_url: str, corpus: Corpus
) -> None:
    stored = await corpus.add("Parental leave.", filename="live.txt")
    orphans = [UUID(int=number) for number in range(1, 25)]
    ghost = type(stored)(stored.document_id, stored.version_id, orphans)
    index_id = corpus.indexes["acme", "default"][1]
    await corpus._upsert(index_id, ghost, ["Parental leave?"] * 24, {"tenant_id": "acme"})  # noqa: SLF001
    settings = query_settings(database_url, qdrant_url, query=patient_query(depth=10))
    async with started_query_api(settings) as api:
        found = await api.search("Parental leave", limit=5)
    assert texts(found) == ["Parental leave."]


async def test_filters_narrow(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE, filename="old.txt", attributes={"year": 2019})
    await corpus.add(LEAVE + " Now.", filename="new.txt", attributes={"year": 2024})
    found = await api.search("parental leave", filters={"year": {"gte": 2020}})
    assert [hit["filename"] for hit in found["hits"]] == ["new.txt"]
    wrong = await api.post("/v1/search", query="leave", filters={"year": {"near": 3}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


async def test_an_unknown_collection_is_404_but_default_is_always_there(api: QueryApi) -> None:
    for path, body in (("/v1/search", {"query": "x"}), ("/v1/query", {"question": "x"})):
        missing = await api.post(path, collection="nowhere", **body)
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"
        assert "nowhere" in missing.json()["detail"]
    assert (await api.search("anything"))["hits"] == []
    assert (await api.ask("anything"))["abstained"] is True


async def test_an_answer_names_its_sources(api: QueryApi, corpus: Corpus) -> None:
    stored = await corpus.add(VACATION, LEAVE, filename="hr/handbook.pdf")
    answer = await api.ask("How long is parental leave?")
    assert answer["answer"].startswith(
        "Parental leave is 16 weeks at full pay. [Source: hr/handbook.pdf, page 2]"
    )
    assert answer["sources"] == ["[Source: hr/handbook.pdf, page 2]"]
    citation = answer["citations"][0]
    assert citation["quote"] in LEAVE
    assert citation["marker"] in answer["answer"]
    assert citation["document_id"] == str(stored.document_id)
    assert citation["chunk_id"] == str(stored.chunk_ids[1])
    assert (citation["page"], citation["section"]) == (2, ["Section 2"])
    assert (answer["model"], answer["fallback"]) == ("extractive", "extractive")
    assert (answer["abstained"], answer["prompt_version"]) == (False, VERSION)
    assert 0 < answer["confidence"] <= 1
    assert answer["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    UUID(answer["answer_id"])


async def test_what_the_documents_do_not_speak_of_is_not_answered(
    api: QueryApi, corpus: Corpus
) -> None:
    await corpus.add(VACATION, LEAVE, TORQUE)
    answer = await api.ask("Who painted the Mona Lisa?")
    assert answer["abstained"] is True
    assert (answer["confidence"], answer["sources"], answer["citations"]) == (0, [], [])
    assert answer["best_score"] < 0.4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/query", {"question": ""}),
        ("/v1/query", {"question": "   "}),
        ("/v1/query", {"question": "x" * 1001}),
        ("/v1/query", {"question": "x", "context_limit": 0}),
        ("/v1/query", {"question": "x", "context_limit": 21}),
        ("/v1/query", {"question": "x", "model": "gpt-9"}),
        ("/v1/query", {"question": "x", "tenant": "rival"}),
        ("/v1/search", {"query": "x", "limit": 101}),
        ("/v1/search", {"query": "x", "mode": "magic"}),
        ("/v1/search", {"query": "x", "score_threshold": 2}),
        ("/v1/search", {"query": "x", "collection": "../x"}),
        ("/v1/search", {}),
    ],
)
async def test_a_request_that_is_not_valid_is_422(
    api: QueryApi, path: str, body: dict[str, Any]
) -> None:
    refused = await api.http.post(path, json=body, headers=bearer("acme"))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


async def test_without_a_credential_or_its_scope_nothing_is_told(api: QueryApi) -> None:
    assert (await api.http.post("/v1/search", json={"query": "x"})).status_code == 401
    ingest_only = bearer("acme", "ingest")
    refused = await api.http.post("/v1/query", json={"question": "x"}, headers=ingest_only)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_a_stream_keeps_the_grammar(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE, filename="hr.txt")
    body = {"question": "How long is parental leave?", "stream": True}
    response = await api.http.post("/v1/query", json=body, headers=bearer("acme"))
    assert response.headers["content-type"].startswith("text/event-stream")
    events = list(_events(response.text))
    names = [name for name, _ in events]
    tokens, citations = names.count("token"), names.count("citation")
    assert names == ["meta", *["token"] * tokens, *["citation"] * citations, "done"]
    assert set(events[0][1]) == {"answer_id", "model", "prompt_version"}
    done = events[-1][1]
    assert "".join(data["text"] for name, data in events if name == "token") == done["answer"]
    assert {"answer", "confidence", "abstained", "usage", "timings"} <= set(done)
    assert citations == 1


async def test_a_stream_that_cannot_begin_is_a_plain_problem(api: QueryApi) -> None:
    refused = await api.post("/v1/query", question="x", collection="nowhere", stream=True)
    assert refused.status_code == 404


async def test_health_metrics_and_openapi_are_there(api: QueryApi, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    await api.ask("How long is parental leave?")
    ready = (await api.http.get("/readyz")).json()
    assert set(ready["dependencies"]) == {"postgres", "qdrant", "embedder"}
    metrics = (await api.http.get("/metrics")).text
    for name in (
        "citewell_query_stage_seconds",
        "citewell_answers_total",
        "citewell_cache_lookups_total",
        "citewell_cache_bytes",
    ):
        assert name in metrics
    assert (await api.http.get("/healthz")).status_code == 200
    document = (await api.http.get("/openapi.json")).json()
    assert {"/v1/search", "/v1/query"} <= set(document["paths"])


def _events(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in text.strip().split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_a_filter_that_its_collections_types_rule_out_is_refused_by_name(
    api: QueryApi, corpus: Corpus, database: Database
) -> None:
    await corpus.add(LEAVE, attributes={"year": 2020})
    async with database.worker() as connection:
        await connection.execute(update(collections).values(fields={"year": "number"}))
    for path, body in (("/v1/search", {"query": "leave"}), ("/v1/query", {"question": "leave"})):
        refused = await api.post(path, **body, filters={"year": "2020"})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert "`year` is compared with a number, not '2020'" in refused.json()["detail"]
    assert texts(await api.search("leave", filters={"year": 2020})) == [LEAVE]
