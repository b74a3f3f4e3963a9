"""Deletion: invisible at once, then points, rows and bytes go, and nothing comes back."""

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from typing_extensions import override

from services.ingest_worker.upkeep.deletion import bury, remove_orphans
from shared.blobs.memory import MemoryBlobStore
from shared.database.engine import Database
from shared.errors import VectorStoreUnavailable
from shared.identity import new_id
from shared.vectors.base import Point, SparseVector
from shared.vectors.memory import MemoryVectorStore
from tests.integration.test_ingest_api_routes import make_live
from tests.support.ingest_api import IngestApi, upload

TABLES = ("documents", "versions", "parts", "jobs", "chunks", "blobs", "tombstones", "embed_queue")


class Forgetful(MemoryVectorStore):
    """A store that says yes and deletes nothing."""

    @override
    async def delete_versions(self, index_id: UUID, version_ids: Sequence[UUID]) -> None:
        pass


async def counts(database: Database) -> dict[str, int]:
    async with database.worker() as connection:
        return {
            table: int(
                (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()  # noqa: S608
            )
            for table in TABLES
        }


async def run(database: Database, statement: str, **parameters: Any) -> None:
    async with database.worker() as connection:
        await connection.execute(text(statement), parameters)


async def let_the_grace_pass(database: Database) -> None:
    await run(database, "UPDATE tombstones SET until = now() - interval '1 s'")
    await run(
        database,
        "UPDATE collections SET deleted_at = now() - interval '1 h' WHERE deleted_at IS NOT NULL",
    )


async def live(
    api: IngestApi, database: Database, name: str, *texts: str, collection: str = "default"
) -> dict[str, Any]:
    """Upload a document and make it live, its points written."""
    answer = await upload(api.client, (name, name.encode()), collection=collection)
    job: dict[str, Any] = answer["jobs"][0]
    chunk_ids = await make_live(database, job["document_id"], list(texts or ("text",)))
    index_id, version_id = await places(database, job["document_id"])
    await write_points(api, index_id, version_id, job["document_id"], chunk_ids)
    return job | {"batch_id": answer["batch_id"], "index_id": index_id, "version_id": version_id}


async def places(database: Database, document_id: str) -> tuple[UUID, UUID]:
    async with database.worker() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT c.active_index, v.id FROM documents d"
                    " JOIN collections c ON c.id = d.collection_id"
                    " JOIN versions v ON v.document_id = d.id AND v.number = d.newest_version"
                    " WHERE d.id = :id"
                ),
                {"id": document_id},
            )
        ).one()
    return row[0], row[1]


async def write_points(
    api: IngestApi, index_id: UUID, version_id: UUID, document_id: str, chunk_ids: list[UUID]
) -> None:
    await api.vectors.create_index(index_id, dimensions=2)
    await api.vectors.upsert(
        index_id,
        [
            Point(
                id=chunk_id,
                dense=[0.6, 0.8],
                sparse=SparseVector((1,), (1.0,)),
                payload={
                    "tenant_id": "acme",
                    "document_id": document_id,
                    "version_id": str(version_id),
                    "filename": "a",
                    "media_type": "",
                    "page": [1],
                    "created_at": "2026-01-01T00:00:00+00:00",
                    "attributes": {},
                },
            )
            for chunk_id in chunk_ids
        ],
    )


async def buried(api: IngestApi, database: Database) -> None:
    context = api.context
    await bury(database, api.vectors, context.blobs, grace_s=context.grace_s)


async def test_a_deleted_document_is_gone_in_that_moment(
    api: IngestApi, database: Database
) -> None:
    job = await live(api, database, "a.txt", "one", "two")
    path = f"/v1/documents/{job['document_id']}"
    chunk = (await api.client.get(f"{path}/chunks")).json()["items"][0]["id"]
    assert (await api.client.delete(path)).status_code == 204
    for gone in (path, f"{path}/versions", f"{path}/content", f"{path}/chunks"):
        assert (await api.client.get(gone)).status_code == 404
    assert (await api.client.get(f"/v1/chunks/{chunk}")).status_code == 404
    assert (await api.client.delete(path)).status_code == 404
    assert (await api.client.get("/v1/documents")).json()["items"] == []
    async with database.worker() as connection:
        [(version,)] = await connection.execute(text("SELECT live_version FROM documents"))
    assert version is None


async def test_a_deleted_name_is_free_at_once(api: IngestApi, database: Database) -> None:
    job = await live(api, database, "a.txt")
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    again = (await upload(api.client, ("a.txt", b"a.txt")))["jobs"][0]
    assert again["document_id"] != job["document_id"]
    assert (again["version"], again["state"]) == (1, "queued")


async def test_a_document_deleted_during_its_ingestion_stops_it(
    api: IngestApi, database: Database
) -> None:
    job = (await upload(api.client, ("a.txt", b"one")))["jobs"][0]
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    shown = (await api.client.get(f"/v1/jobs/{job['job_id']}")).json()
    assert shown["state"] == "cancelled"
    retried = await api.client.post(f"/v1/jobs/{job['job_id']}/retry")
    assert retried.status_code == 404


async def test_points_go_first_and_rows_and_bytes_after_the_grace(
    api: IngestApi, database: Database
) -> None:
    job = await live(api, database, "a.txt", "one", "two")
    other = await live(api, database, "b.txt", "three")
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    await buried(api, database)
    assert await api.vectors.count(job["index_id"]) == 1
    assert (await counts(database))["tombstones"] == 1
    assert len(api.blobs()) == 2

    # A paused worker writes its points after all.
    await write_points(api, job["index_id"], job["version_id"], job["document_id"], [new_id()])
    await let_the_grace_pass(database)
    await buried(api, database)
    assert await api.vectors.count_versions(job["index_id"], [job["version_id"]]) == {}
    assert await api.vectors.count_versions(other["index_id"], [other["version_id"]]) == {
        other["version_id"]: 1
    }
    left = await counts(database)
    assert left == {
        "documents": 1,
        "versions": 1,
        "parts": 1,
        "jobs": 1,
        "chunks": 1,
        "blobs": 1,
        "tombstones": 0,
        "embed_queue": 0,
    }
    assert len(api.blobs()) == 1
    await buried(api, database)
    assert await counts(database) == left


async def test_a_tombstone_stays_while_a_point_is_left(api: IngestApi, database: Database) -> None:
    job = await live(api, database, "a.txt")
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    await let_the_grace_pass(database)

    forgetful = Forgetful()
    await forgetful.create_index(job["index_id"], dimensions=2)
    await write_points(
        IngestApi(api.app, api.client, forgetful, api.publisher, api.blob_folder),
        job["index_id"],
        job["version_id"],
        job["document_id"],
        [new_id()],
    )
    await bury(database, forgetful, api.context.blobs, grace_s=0)
    assert (await counts(database))["tombstones"] == 1
    assert (await counts(database))["documents"] == 1
    assert len(api.blobs()) == 1


async def test_bytes_that_another_document_needs_stay(api: IngestApi, database: Database) -> None:
    answer = await upload(api.client, ("a.txt", b"same"), ("b.txt", b"same"))
    first, second = (job["document_id"] for job in answer["jobs"])
    await api.client.delete(f"/v1/documents/{first}")
    await let_the_grace_pass(database)
    await buried(api, database)
    assert (await api.client.get(f"/v1/documents/{second}/content")).content == b"same"
    await api.client.delete(f"/v1/documents/{second}")
    await let_the_grace_pass(database)
    await buried(api, database)
    assert api.blobs() == []
    assert set((await counts(database)).values()) == {0}


async def test_a_batchs_counts_still_sum_to_its_total(api: IngestApi, database: Database) -> None:
    answer = await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
    path = f"/v1/batches/{answer['batch_id']}"
    await api.client.delete(f"/v1/documents/{answer['jobs'][0]['document_id']}")
    before = (await api.client.get(path)).json()
    assert (before["total"], before["counts"]["cancelled"]) == (3, 1)
    await let_the_grace_pass(database)
    await buried(api, database)
    after = (await api.client.get(path)).json()
    assert after["total"] == sum(after["counts"].values()) == 2
    async with database.worker() as connection:
        told = await connection.execute(text("SELECT batch_id FROM events WHERE job_id IS NULL"))
    assert [str(batch_id) for batch_id in told.scalars()] == [answer["batch_id"]]


async def test_a_superseded_versions_chunks_go_and_its_document_stays(
    api: IngestApi, database: Database
) -> None:
    job = await live(api, database, "a.txt", "old")
    await upload(api.client, ("a.txt", b"new"))
    await make_live(database, job["document_id"], ["new"])
    await run(
        database,
        "INSERT INTO tombstones (id, tenant_id, index_id, document_id, version_id, until)"
        " VALUES (gen_random_uuid(), 'acme', :index, :document, :version, now())",
        index=job["index_id"],
        document=UUID(job["document_id"]),
        version=job["version_id"],
    )
    await let_the_grace_pass(database)
    await buried(api, database)
    assert await api.vectors.count(job["index_id"]) == 0
    left = await counts(database)
    assert (left["documents"], left["versions"], left["chunks"], left["tombstones"]) == (1, 2, 1, 0)
    old = await api.client.get(f"/v1/documents/{job['document_id']}/content?version=1")
    assert old.content == b"a.txt"


async def test_a_deleted_collection_goes_with_everything_in_it(
    api: IngestApi, database: Database
) -> None:
    await api.client.put("/v1/collections/papers", json={})
    job = await live(api, database, "a.txt", collection="papers")
    waiting = (await upload(api.client, ("b.txt", b"b"), collection="papers"))["jobs"][0]
    kept = await live(api, database, "a.txt")
    assert (await api.client.delete("/v1/collections/papers")).status_code == 204
    assert (await api.client.get("/v1/collections/papers")).status_code == 404
    assert (await api.client.get(f"/v1/documents/{job['document_id']}")).status_code == 404
    stopped = (await api.client.get(f"/v1/jobs/{waiting['job_id']}")).json()
    assert stopped["state"] == "cancelled"

    again = await api.client.put("/v1/collections/papers", json={})
    assert (again.status_code, again.json()["documents"]) == (200, 0)

    await buried(api, database)
    assert await api.vectors.count(job["index_id"]) == 0
    await let_the_grace_pass(database)
    await buried(api, database)
    assert await api.vectors.count(kept["index_id"]) == 1
    left = await counts(database)
    assert (left["documents"], left["chunks"], left["tombstones"]) == (1, 1, 0)
    assert len(api.blobs()) == 1
    names = [c["name"] for c in (await api.client.get("/v1/collections")).json()["items"]]
    assert names == ["default", "papers"]


async def test_a_store_that_is_down_keeps_what_is_to_be_removed(
    api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await live(api, database, "a.txt")
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    await let_the_grace_pass(database)

    async def down(*_: object) -> None:
        raise VectorStoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(api.vectors, "delete_versions", down)
        with pytest.raises(VectorStoreUnavailable):
            await buried(api, database)
    assert (await counts(database))["tombstones"] == 1
    await buried(api, database)
    assert set((await counts(database)).values()) == {0}
    assert api.blobs() == []


class Broken(MemoryVectorStore):
    """A store one of whose indexes cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: UUID | None = None

    @override
    async def delete_versions(self, index_id: UUID, version_ids: Sequence[UUID]) -> None:
        if index_id == self.broken:
            raise VectorStoreUnavailable
        await super().delete_versions(index_id, version_ids)


async def test_an_index_that_fails_holds_up_no_other(api: IngestApi, database: Database) -> None:
    store = Broken()
    for collection in ("one", "two", "three"):
        await api.client.put(f"/v1/collections/{collection}", json={})
        job = (await upload(api.client, ("a.md", b"# A"), collection=collection))["jobs"][0]
        await api.client.delete(f"/v1/documents/{job['document_id']}")
    await let_the_grace_pass(database)
    async with database.worker() as connection:
        store.broken = (
            (await connection.execute(text("SELECT index_id FROM tombstones"))).scalars().first()
        )
    with pytest.raises(VectorStoreUnavailable):
        await bury(database, store, api.context.blobs, grace_s=0)
    assert (await counts(database))["tombstones"] == 1
    store.broken = None
    await bury(database, store, api.context.blobs, grace_s=0)
    assert (await counts(database))["tombstones"] == 0


async def test_only_old_bytes_without_a_row_are_orphans(
    api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(api.client, ("a.txt", b"one"))
    orphan = await api.context.blobs.write(str(new_id()), _stream(b"left by a killed upload"))
    assert orphan
    assert await remove_orphans(database, api.context.blobs) == 0
    assert len(api.blobs()) == 2
    for path in api.blobs():
        _age(path)
    assert await remove_orphans(database, api.context.blobs) == 1
    assert [path.read_bytes() for path in api.blobs()] == [b"one"]


async def test_keys_that_are_no_ids_are_not_ours_to_remove(database: Database) -> None:
    store = MemoryBlobStore()
    await store.write("somebody-elses", _stream(b"x"))
    assert await remove_orphans(database, store) == 0


def _age(path: Path) -> None:
    two_days_ago = path.stat().st_mtime - 48 * 3600
    os.utime(path, (two_days_ago, two_days_ago))


async def _stream(content: bytes) -> AsyncIterator[bytes]:
    yield content
