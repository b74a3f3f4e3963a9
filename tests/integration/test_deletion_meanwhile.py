"""Deletion while work goes on: nothing is seen, nothing is left, and no slice is a long one."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from typing_extensions import override

from services.ingest_worker.upkeep import deletion
from services.ingest_worker.upkeep.deletion import bury
from shared.database.embed_queue import EmbedQueue
from shared.database.engine import Database
from shared.database.parts import Parts
from shared.embeddings.base import Embedded
from shared.identity import new_id
from shared.vectors.base import Point
from shared.vectors.memory import MemoryVectorStore
from tests.integration.test_ingest_api_deletion import counts, let_the_grace_pass, run
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.workers import Workers, working

PROSE = b"# One\n\n" + b"A sentence of the text that is about to go. " * 40
NOTHING_LEFT = {
    "documents": 0,
    "versions": 0,
    "parts": 0,
    "jobs": 0,
    "chunks": 0,
    "blobs": 0,
    "tombstones": 0,
    "embed_queue": 0,
}


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        yield api


@pytest.fixture
async def workers(api: IngestApi, tmp_path: Path) -> AsyncIterator[Workers]:
    async with working(api, tmp_path) as workers:
        yield workers


async def buried(api: IngestApi, database: Database, *, round_s: float = 60) -> None:
    """Let the time of grace pass and do rounds until nothing changes any more."""
    before: dict[str, int] = {}
    while before != (before := await counts(database)) or any(before.values()):
        if before == NOTHING_LEFT:
            return
        await let_the_grace_pass(database)
        await bury(database, api.vectors, api.context.blobs, grace_s=0, round_s=round_s)
        if before == await counts(database):
            return


async def points(api: IngestApi, database: Database) -> int:
    async with database.worker() as connection:
        indexes = list((await connection.execute(text("SELECT id FROM indexes"))).scalars())
    return sum([await api.vectors.count(index_id) for index_id in indexes])


async def gone(api: IngestApi, database: Database) -> bool:
    await buried(api, database)
    left = await counts(database)
    return left == NOTHING_LEFT and not await points(api, database) and not api.blobs()


async def one_file(api: IngestApi) -> dict[str, Any]:
    job: dict[str, Any] = (await upload(api.client, ("a.md", PROSE)))["jobs"][0]
    return job


async def delete(api: IngestApi, job: dict[str, Any]) -> None:
    assert (await api.client.delete(f"/v1/documents/{job['document_id']}")).status_code == 204


async def test_deleted_while_its_part_is_read(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    job = await one_file(api)
    async with database.worker() as connection:
        [waiting] = await Parts(connection).take_waiting(room=9)
        [part] = await Parts(connection).claim([waiting.key], claim=new_id(), lease_s=15)
    await delete(api, job)
    async with database.worker() as connection:
        assert await Parts(connection).renew([part], lease_s=15) == set()
        assert not await Parts(connection).finish(part, elements=b"late", warnings="[]")
    await workers.work()
    assert await gone(api, database)


async def test_deleted_before_its_chunk_step(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    job = await one_file(api)
    await run(database, "UPDATE parts SET state = 'done', elements = ''")
    await run(database, "UPDATE jobs SET state = 'parsing', stage = 'chunk', parts_left = 0")
    await delete(api, job)
    await workers.work(UUID(job["job_id"]))
    assert (await counts(database))["chunks"] == 0
    assert await gone(api, database)


class Deleting:
    """Deletes a document at a moment of the embed step."""

    def __init__(self, api: IngestApi, workers: Workers, job: dict[str, Any]) -> None:
        self._api, self._workers, self._job = api, workers, job
        self.deleted = 0

    async def delete(self) -> None:
        self.deleted += 1
        if self.deleted == 1:
            await delete(self._api, self._job)


async def test_deleted_while_its_texts_are_embedded(
    api: IngestApi, database: Database, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await one_file(api)
    deleting, embed = Deleting(api, workers, job), workers.embedder.embed_documents

    async def embed_and_delete(texts: list[str]) -> Embedded:
        await deleting.delete()
        return await embed(texts)

    monkeypatch.setattr(workers.embedder, "embed_documents", embed_and_delete)
    await workers.work()
    assert deleting.deleted
    # The points were written late; nobody may see them, and they go.
    assert await points(api, database) > 0
    assert (await api.client.get(f"/v1/documents/{job['document_id']}/chunks")).status_code == 404
    assert await gone(api, database)


async def test_deleted_between_its_points_and_going_live(
    api: IngestApi, database: Database, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await one_file(api)
    deleting, upsert = Deleting(api, workers, job), api.vectors.upsert

    async def upsert_and_delete(index_id: UUID, some: list[Point]) -> None:
        await upsert(index_id, some)
        await deleting.delete()

    monkeypatch.setattr(api.vectors, "upsert", upsert_and_delete)
    await workers.work()
    assert deleting.deleted
    shown = (await api.client.get(f"/v1/jobs/{job['job_id']}")).json()
    assert shown["state"] == "cancelled"
    assert await gone(api, database)


async def test_what_is_queued_of_a_buried_version_leaves_and_the_grace_begins_anew(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    job = await one_file(api)
    await workers.work()
    # A slow older version: buried by a newer one while some of its chunks are queued yet.
    await run(
        database,
        "INSERT INTO embed_queue (chunk_id, tenant_id, job_id, index_id, space, tokens)"
        " SELECT id, tenant_id, :job, index_id, 'fake/bytes', tokens FROM chunks",
        job=UUID(job["job_id"]),
    )
    await run(
        database,
        "INSERT INTO tombstones (id, tenant_id, index_id, document_id, version_id, until)"
        " SELECT DISTINCT ON (version_id) gen_random_uuid(), tenant_id, index_id, document_id,"
        " version_id, now() - interval '1 h' FROM chunks",
    )
    claim = new_id()
    async with database.worker() as connection:
        batch = await EmbedQueue(connection).claim(
            "fake/bytes", claim=claim, inputs=1, tokens=10_000, lease_s=15
        )
    assert batch
    await bury(database, api.vectors, api.context.blobs, grace_s=60)
    left = await counts(database)
    assert (left["embed_queue"], left["tombstones"]) == (0, 1)
    async with database.worker() as connection:
        await EmbedQueue(connection).complete(claim, batch, {}, grace_s=60)
        again = await connection.execute(
            text("SELECT until > now() + interval '50 s' FROM tombstones")
        )
        assert again.scalar_one()
    await let_the_grace_pass(database)
    await bury(database, api.vectors, api.context.blobs, grace_s=60)
    left = await counts(database)
    assert (left["tombstones"], left["chunks"]) == (0, 0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "HIDDEN_AT_ONCE", 2)
    monkeypatch.setattr(deletion, "DOCUMENTS_AT_ONCE", 2)
    monkeypatch.setattr(deletion, "CHUNKS_AT_ONCE", 1)


@pytest.mark.usefixtures("small")
async def test_a_large_collection_is_gone_at_once_and_removed_in_slices(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    await api.client.put("/v1/collections/papers", json={})
    files = [(f"{number}.txt", f"Text {number}.".encode()) for number in range(5)]
    jobs = (await upload(api.client, *files, collection="papers"))["jobs"]
    await workers.work()
    waiting = (await upload(api.client, ("w.txt", b"waits"), collection="papers"))["jobs"][0]
    assert (await api.client.delete("/v1/collections/papers")).status_code == 204
    # Two of six documents are hidden by themselves; all are by their collection.
    for job in (*jobs, waiting):
        path = f"/v1/documents/{job['document_id']}"
        for gone_path in (path, f"{path}/versions", f"{path}/content", f"{path}/chunks"):
            assert (await api.client.get(gone_path)).status_code == 404
        assert (await api.client.delete(path)).status_code == 404
    assert (await api.client.post(f"/v1/jobs/{waiting['job_id']}/retry")).status_code in {404, 409}
    assert (await api.client.put("/v1/collections/papers", json={})).json()["documents"] == 0
    again = await upload(api.client, files[0], collection="papers")
    assert again["jobs"][0]["document_id"] not in {job["document_id"] for job in jobs}

    await run(
        database,
        "UPDATE collections SET deleted_at = now() - interval '1 h' WHERE deleted_at IS NOT NULL",
    )
    await bury(database, api.vectors, api.context.blobs, grace_s=60, round_s=60)
    shown = (await api.client.get(f"/v1/jobs/{waiting['job_id']}")).json()
    assert shown["state"] == "cancelled"
    # Work was stopped only now: who did it may write for as long as the grace lasts.
    assert (await counts(database))["documents"] == 7
    await let_the_grace_pass(database)
    # With no time at all each round still does something.
    for _ in range(20):
        await bury(database, api.vectors, api.context.blobs, grace_s=0, round_s=0.01)
    await bury(database, api.vectors, api.context.blobs, grace_s=0, round_s=60)
    left = await counts(database)
    assert (left["documents"], left["blobs"], left["chunks"]) == (1, 1, 0)


@pytest.mark.usefixtures("small")
async def test_two_processes_remove_a_collection_at_once(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    await api.client.put("/v1/collections/papers", json={})
    files = [(f"{number}.txt", f"Text {number}.".encode()) for number in range(6)]
    batch = (await upload(api.client, *files, collection="papers"))["batch_id"]
    kept = await one_file(api)
    # One batch over both, so that its total tells who was counted twice.
    await run(database, "UPDATE jobs SET batch_id = :batch", batch=UUID(batch))
    await run(
        database,
        "UPDATE batches SET total = 7, collection_id = (SELECT collection_id"
        " FROM documents WHERE id = :kept) WHERE id = :batch",
        kept=UUID(kept["document_id"]),
        batch=UUID(batch),
    )
    await workers.work()
    await api.client.delete("/v1/collections/papers")
    for _ in range(3):
        await let_the_grace_pass(database)
        await asyncio.gather(
            *(
                bury(database, api.vectors, api.context.blobs, grace_s=0, round_s=60)
                for _ in range(3)
            )
        )
    shown = (await api.client.get(f"/v1/batches/{batch}")).json()
    assert shown["total"] == sum(shown["counts"].values()) == 1


class Slow(MemoryVectorStore):
    """Needs its time to drop an index."""

    @override
    async def drop_index(self, index_id: UUID) -> None:
        await asyncio.sleep(0.2)
        await super().drop_index(index_id)


async def test_a_round_is_bounded_in_time(
    api: IngestApi, database: Database, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "DOCUMENTS_AT_ONCE", 1)
    await api.client.put("/v1/collections/papers", json={})
    files = [(f"{number}.txt", f"Text {number}.".encode()) for number in range(40)]
    await upload(api.client, *files, collection="papers")
    await api.client.delete("/v1/collections/papers")
    await let_the_grace_pass(database)
    began = time.monotonic()
    await bury(database, Slow(), api.context.blobs, grace_s=0, round_s=0.1)
    assert time.monotonic() - began < 5
    assert 0 < (await counts(database))["documents"] <= 40
