"""`POST /v1/search/compare`: both indexes of a reindex are asked the same."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import insert, select

from services.query_api.retrieval.compare import canary
from shared.database.engine import Database
from shared.database.tables import chunks, indexes
from shared.database.upkeep_tables import reindexes
from shared.embeddings.sparse import document_terms
from shared.identity import new_id
from shared.vectors.base import Point, VectorStore
from tests.support.query_api import Corpus, QueryApi, bearer, query_settings, started_query_api

COMPARE = "/v1/search/compare"
TEXTS = (
    "Every employee has 26 days of paid vacation a year.",
    "Parental leave is 16 weeks at full pay.",
    "Tighten the wheel bolts to a torque of 120 newton metres.",
)


@pytest.fixture
async def api(database_url: str, qdrant_url: str) -> AsyncIterator[QueryApi]:
    async with started_query_api(query_settings(database_url, qdrant_url)) as api:
        yield api


@pytest.fixture
async def corpus(database: Database, vectors: VectorStore) -> Corpus:
    corpus = Corpus(database, vectors)
    for number, text in enumerate(TEXTS):
        await corpus.add(text, filename=f"{number}.txt")
    return corpus


async def compare(api: QueryApi, **body: Any) -> Any:
    return await api.http.post(COMPARE, json=body, headers=bearer("acme", "admin"))


async def second_index(corpus: Corpus, *, documents: int) -> UUID:
    """Give the collection a second index that holds copies of some of its chunks' points."""
    collection_id, old = corpus.indexes["acme", "default"]
    new = new_id()
    space = corpus.embedder.space
    await corpus.vectors.create_index(new, dimensions=space.dimensions)
    async with corpus.database.worker() as connection:
        await connection.execute(
            insert(indexes).values(
                id=new,
                tenant_id="acme",
                collection_id=collection_id,
                space=space.name,
                chunker="sections-1@100",
                ready=True,
            )
        )
        await connection.execute(
            insert(reindexes).values(
                id=new_id(),
                tenant_id="acme",
                collection_id=collection_id,
                old_index=old,
                old_space=space.name,
                old_chunker="sections-1",
                new_index=new,
                new_space=space.name,
                new_chunker="sections-1@100",
                stage="ready",
            )
        )
    await copy_chunks(corpus, old, new, documents)
    return new


async def copy_chunks(corpus: Corpus, old: UUID, new: UUID, documents: int) -> None:
    """Write the chunks of some documents into the second index too."""
    async with corpus.database.worker() as connection:
        rows = (await connection.execute(select(chunks).order_by(chunks.c.text))).mappings().all()
        copies = [dict(row) | {"index_id": new, "id": new_id()} for row in rows[:documents]]
        if copies:
            await connection.execute(insert(chunks), copies)
    for row in copies:
        embedded = await corpus.embedder.embed_documents([row["text"]])
        payload = {
            "tenant_id": "acme",
            "document_id": str(row["document_id"]),
            "version_id": str(row["version_id"]),
        }
        terms = document_terms(row["text"])
        point = Point(row["id"], embedded.vectors[0].tolist(), terms, payload)
        await corpus.vectors.upsert(new, [point])


async def test_an_index_that_holds_the_same_answers_alike(api: QueryApi, corpus: Corpus) -> None:
    await second_index(corpus, documents=len(TEXTS))
    response = await compare(api, questions=["How long is parental leave?"])
    assert response.status_code == 200, response.text
    told = response.json()
    assert told["overlap"] == told["active"]["recall"] == told["other"]["recall"] == 1.0
    asked, *canaries = told["questions"]
    assert (asked["question"], asked["document_id"]) == ("How long is parental leave?", None)
    assert len(canaries) == len(TEXTS)
    assert {(one["active_rank"], one["other_rank"]) for one in canaries} == {(1, 1)}


async def test_both_are_reranked_where_that_is_wished(api: QueryApi, corpus: Corpus) -> None:
    await second_index(corpus, documents=len(TEXTS))
    before = searches_reranked()
    for rerank in (False, True):
        response = await compare(api, questions=["bolts"], canaries=0, rerank=rerank)
        assert (response.status_code, response.json()["overlap"]) == (200, 1.0)
        assert searches_reranked() - before == (2 if rerank else 0)


def searches_reranked() -> float:
    return REGISTRY.get_sample_value("citewell_rerank_seconds_count") or 0.0


async def test_what_an_index_lacks_is_seen(api: QueryApi, corpus: Corpus) -> None:
    await second_index(corpus, documents=1)
    told = (await compare(api)).json()
    assert told["active"]["recall"] == 1.0
    assert told["other"]["recall"] == pytest.approx(1 / 3)
    assert told["overlap"] < 1.0
    assert sorted(one["other_rank"] or 0 for one in told["questions"]) == [0, 0, 1]
    assert (await compare(api, canaries=0)).json()["overlap"] is None


async def test_no_second_index_is_a_conflict(api: QueryApi, corpus: Corpus) -> None:
    response = await compare(api)
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert (await compare(api, collection="nowhere")).status_code == 409


async def test_it_is_for_admins_and_bounded(api: QueryApi, corpus: Corpus) -> None:
    await second_index(corpus, documents=1)
    assert (await api.post(COMPARE)).status_code == 403
    assert (await compare(api, questions=["a"] * 51)).status_code == 422
    assert (await compare(api, questions=[" "])).status_code == 422
    stranger = await api.http.post(COMPARE, json={}, headers=bearer("globex", "admin"))
    assert stranger.status_code == 409


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Short. A sentence that is long enough to be asked. No.", "long enough"),
        ("Too short.", None),
        ("x" * 400, None),
        ("\n\n", None),
    ],
)
def test_a_canary_is_a_sentence_of_a_chunk(text: str, said: str | None) -> None:
    made = canary(text)
    assert made is None if said is None else (made is not None and said in made)
