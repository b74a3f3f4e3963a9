"""What most integration tests need: an ingest API of its own, and workers in the same process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.database.engine import Database
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
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
