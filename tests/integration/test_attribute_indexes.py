"""Attributes are indexed in the vector store as they come in, over the embedded Qdrant server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from qdrant_client import AsyncQdrantClient

from services.ingest_worker.embedding.indexes import Indexes, field_kinds
from shared.database.embed_queue import QueuedChunk
from shared.database.engine import Database
from shared.embeddings.spaces import FAKE
from shared.identity import new_id
from shared.vectors.base import MOST_INDEXED
from shared.vectors.qdrant import INDEXED, QdrantVectorStore


@pytest.fixture
async def vectors(qdrant_url: str) -> AsyncIterator[QdrantVectorStore]:
    store = QdrantVectorStore(qdrant_url)
    yield store
    await store.aclose()


def chunk(index_id: UUID, **attributes: Any) -> QueuedChunk:
    return QueuedChunk(
        chunk_id=new_id(),
        job_id=new_id(),
        tenant_id="acme",
        index_id=index_id,
        space=FAKE.name,
        tokens=3,
        attempts=1,
        text="Some text.",
        text_sha256=b"",
        document_id=new_id(),
        version_id=new_id(),
        page_start=1,
        page_end=1,
        filename="a.txt",
        attributes=attributes,
        media_type="text/plain",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def schema(url: str, index_id: UUID) -> dict[str, str]:
    """Return the type of each indexed attribute."""
    client = AsyncQdrantClient(url=url, check_compatibility=False)
    info = await client.get_collection(f"citewell_{index_id.hex}")
    await client.close()
    assert set(INDEXED) <= info.payload_schema.keys()
    return {
        name: one.data_type.value
        for name, one in info.payload_schema.items()
        if name not in INDEXED
    }


async def test_each_attribute_is_indexed_by_the_type_of_its_first_value(
    database: Database, vectors: QdrantVectorStore, qdrant_url: str
) -> None:
    indexes, index_id = Indexes(database=database, vectors=vectors), new_id()
    await indexes.make([chunk(index_id)])
    assert await schema(qdrant_url, index_id) == {}
    one = chunk(index_id, author="Ann", year=2020, signed=True, tags=["a"], none=None, odd={"a": 1})
    await indexes.make([one, chunk(index_id, due="2026-04-01")])
    assert await schema(qdrant_url, index_id) == {
        'attributes."author"': "keyword",
        'attributes."year"': "float",
        'attributes."signed"': "bool",
        'attributes."tags"': "keyword",
        'attributes."due"': "datetime",
    }


async def test_another_process_changes_no_index_and_adds_those_that_are_missing(
    database: Database, vectors: QdrantVectorStore, qdrant_url: str
) -> None:
    index_id = new_id()
    await Indexes(database=database, vectors=vectors).make([chunk(index_id, due="2026-04-01")])
    # Its first value is no time: the index that is there stays.
    later = Indexes(database=database, vectors=vectors)
    await later.make([chunk(index_id, due="soon", year=1)])
    assert await schema(qdrant_url, index_id) == {
        'attributes."due"': "datetime",
        'attributes."year"': "float",
    }


async def test_an_index_that_was_dropped_gets_its_attributes_back_after_a_failure(
    database: Database, vectors: QdrantVectorStore, qdrant_url: str
) -> None:
    indexes, index_id = Indexes(database=database, vectors=vectors), new_id()
    await indexes.make([chunk(index_id, year=1)])
    await vectors.drop_index(index_id)
    indexes.forget()
    await indexes.make([chunk(index_id, year=1)])
    assert await schema(qdrant_url, index_id) == {'attributes."year"': "float"}


async def test_no_sender_makes_more_indexes_than_the_most(
    database: Database, vectors: QdrantVectorStore, qdrant_url: str
) -> None:
    index_id = new_id()
    for process in range(2):
        indexes = Indexes(database=database, vectors=vectors)
        for start in range(0, MOST_INDEXED, 40):
            names = {f"name {process} {number}": 1 for number in range(start, start + 40)}
            await indexes.make([chunk(index_id, **names)])
    assert len(await schema(qdrant_url, index_id)) == MOST_INDEXED


def test_what_has_no_one_type_is_not_looked_up() -> None:
    attributes = {"none": None, "mixed": [1, "a"], "empty": [], "nested": {"a": 1}}
    assert field_kinds(attributes) == {}
    assert field_kinds({"dates": ["2026-01-01"], "word": ""}) == {
        "dates": "time",
        "word": "keyword",
    }
