"""What most integration tests need: an ingest API of its own, and workers in the same process.

Those of the query API need Qdrant's engine behind its REST API, and documents in it.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.database.engine import Database
from shared.settings import QdrantSettings
from shared.vectors.base import VectorStore
from shared.vectors.build import build_vector_store
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.qdrant import start_qdrant
from tests.support.query_api import Corpus
from tests.support.reindexing import FILES, Reindexing
from tests.support.workers import Workers, working


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        yield api


@pytest.fixture
async def workers(api: IngestApi, tmp_path: Path) -> AsyncIterator[Workers]:
    async with working(api, tmp_path) as workers:
        yield workers


@pytest.fixture
async def reindexing(api: IngestApi, database: Database, workers: Workers) -> Reindexing:
    """Six live documents of one chunk each."""
    await api.client.put("/v1/collections/papers", json={})
    files = [(f"{number}.txt", f"The text of {number}.".encode()) for number in range(FILES)]
    await upload(api.client, *files, collection="papers")
    reindexing = Reindexing(api, database, workers)
    await reindexing.work()
    return reindexing


@pytest.fixture(scope="session")
def qdrant_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Qdrant; each test has indexes of its own in it."""
    folder: Path = tmp_path_factory.mktemp("qdrant")
    with start_qdrant(folder) as url:
        yield url


@pytest.fixture
async def vectors(qdrant_url: str) -> AsyncIterator[VectorStore]:
    store = build_vector_store(QdrantSettings(url=qdrant_url))
    yield store
    await store.aclose()


@pytest.fixture
def corpus(database: Database, vectors: VectorStore) -> Corpus:
    """Documents as ingestion leaves them; none yet."""
    return Corpus(database, vectors)
