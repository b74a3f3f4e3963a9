"""From upload to live, through the real steps: what the API writes is what the workers need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.ingest_worker.deletion import bury
from services.ingest_worker.embedding.drain import Embedding
from services.ingest_worker.jobs.chunk import ChunkStep
from services.ingest_worker.jobs.parse import ParseStep
from services.ingest_worker.parsing.process import ParserProcess
from shared.database.parts import Parts
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.spaces import FAKE
from shared.tokens.build import build_tokenizer
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload

TEXT = b"# Foxes\n\nThe quick brown fox jumps over the lazy dog.\n"


class Workers:
    """Does the workers' steps in the test's own process, without a broker."""

    def __init__(self, api: IngestApi, parser: ParserProcess, scratch: Path) -> None:
        context = api.context
        settings = context.settings
        self._database = context.database
        self.embedder = HashingEmbedder(FAKE)
        self._parse = ParseStep(
            database=context.database,
            blobs=context.blobs,
            parser=parser,
            scratch=scratch,
            settings=settings.ingest,
        )
        self._chunk = ChunkStep(
            database=context.database,
            tokenizer_of=cache(build_tokenizer),
            settings=settings.ingest,
        )
        self._embedding = Embedding(
            database=context.database,
            vectors=api.vectors,
            embedder_of=lambda _: self.embedder,
            settings=settings.embedding,
            ingest=settings.ingest,
            store_timeout_s=1,
        )

    async def work(self, *jobs: UUID) -> None:
        """Parse what waits, chunk these jobs too, and embed until nothing is left."""
        async with self._database.worker() as connection:
            waiting = await Parts(connection).take_waiting(room=100)
        for part in waiting:
            _, job_id = await self._parse.run(part.key)
            if job_id is not None:
                await self._chunk.run(job_id)
        for job_id in jobs:
            await self._chunk.run(job_id)
        await self._embedding.drain(budget_s=5)


@asynccontextmanager
async def working(api: IngestApi, scratch: Path) -> AsyncIterator[Workers]:
    parser = ParserProcess(api.context.settings.ingest)
    try:
        yield Workers(api, parser, scratch)
    finally:
        await parser.aclose()


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        yield api


@pytest.fixture
async def workers(api: IngestApi, tmp_path: Path) -> AsyncIterator[Workers]:
    async with working(api, tmp_path) as workers:
        yield workers


async def shown(api: IngestApi, path: str) -> dict[str, Any]:
    response = await api.client.get(path)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_an_upload_goes_live_and_again_is_no_work(api: IngestApi, workers: Workers) -> None:
    answer = await upload(api.client, ("fox.md", TEXT), attributes='{"year": 2020}')
    job = answer["jobs"][0]
    await workers.work()
    done = await shown(api, f"/v1/jobs/{job['job_id']}?wait=10")
    assert done["state"] == "succeeded", done
    assert done["pages"] == {"done": 1, "total": 1}
    assert done["chunks"]["done"] == done["chunks"]["total"] >= 1
    document = await shown(api, f"/v1/documents/{job['document_id']}")
    assert (document["live_version"], document["state"]) == (1, "succeeded")
    chunks = (await shown(api, f"/v1/documents/{job['document_id']}/chunks"))["items"]
    assert "quick brown fox" in chunks[0]["text"]
    calls = workers.embedder.calls
    again = await upload(api.client, ("fox.md", TEXT))
    await workers.work()
    assert again["jobs"][0]["state"] == "succeeded"
    assert workers.embedder.calls == calls


async def test_new_attributes_reach_the_points_without_parsing_or_embedding_again(
    api: IngestApi, workers: Workers
) -> None:
    job = (await upload(api.client, ("fox.md", TEXT)))["jobs"][0]
    await workers.work()
    calls = workers.embedder.calls
    path = f"/v1/documents/{job['document_id']}"
    patched = await api.client.patch(path, json={"attributes": {"year": 2021}})
    assert patched.json()["live_version"] == 1
    await workers.work(UUID(patched.json()["job_id"]))
    document = await shown(api, path)
    assert (document["live_version"], document["state"]) == (2, "succeeded")
    assert workers.embedder.calls == calls
    chunk = (await shown(api, f"{path}/chunks"))["items"][0]
    assert chunk["version"] == 2
    index_id = (await places(api, job["document_id"]))[0]
    points = api.vectors._indexes[index_id].points  # noqa: SLF001
    assert points[UUID(chunk["id"])].payload["attributes"] == {"year": 2021}


async def test_a_deleted_document_is_left_nowhere(api: IngestApi, workers: Workers) -> None:
    job = (await upload(api.client, ("fox.md", TEXT)))["jobs"][0]
    await workers.work()
    index_id, _ = await places(api, job["document_id"])
    assert await api.vectors.count(index_id) >= 1
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    await bury(api.context.database, api.vectors, api.context.blobs, grace_s=0)
    assert await api.vectors.count(index_id) == 0


async def test_a_bad_file_fails_alone_and_is_mended_by_sending_it_again(
    api: IngestApi, workers: Workers
) -> None:
    answer = await upload(api.client, ("bad.pdf", b"%PDF-1.7 no more"), ("fox.md", TEXT))
    await workers.work()
    batch = await shown(api, f"/v1/batches/{answer['batch_id']}")
    assert (batch["counts"]["failed"], batch["counts"]["succeeded"]) == (1, 1)
    failed = (await shown(api, f"/v1/jobs?state=failed&batch={answer['batch_id']}"))["items"]
    assert failed[0]["problem"]["who"] == "user"
    again = await upload(api.client, ("bad.pdf", b"%PDF-1.7 no more"))
    assert again["jobs"][0]["version"] == 2


async def test_a_cancelled_job_writes_nothing_more(api: IngestApi, workers: Workers) -> None:
    job = (await upload(api.client, ("fox.md", TEXT)))["jobs"][0]
    await api.client.post(f"/v1/jobs/{job['job_id']}/cancel")
    await workers.work()
    done = await shown(api, f"/v1/jobs/{job['job_id']}")
    assert done["state"] == "cancelled"
    assert (await shown(api, f"/v1/documents/{job['document_id']}"))["live_version"] is None


async def places(api: IngestApi, document_id: str) -> tuple[UUID, UUID]:
    async with api.context.database.worker() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT c.active_index, c.id FROM documents d"
                    " JOIN collections c ON c.id = d.collection_id WHERE d.id = :id"
                ),
                {"id": document_id},
            )
        ).one()
    return row[0], row[1]
