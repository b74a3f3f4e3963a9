"""What most integration tests need: an ingest API of its own, and workers in the same process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ingest_api import IngestApi, api_settings, start_api
from tests.support.workers import Workers, working


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        yield api


@pytest.fixture
async def workers(api: IngestApi, tmp_path: Path) -> AsyncIterator[Workers]:
    async with working(api, tmp_path) as workers:
        yield workers
