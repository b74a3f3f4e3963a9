"""`POST /v1/admin/doctor`: each kind of difference is found, told, and mended where it can be."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from typing_extensions import override

from services.ingest_worker.upkeep import doctor
from shared.blobs.memory import MemoryBlobStore
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.sweeps import Sweeps
from shared.errors import VectorStoreUnavailable
from shared.models import WaitingFor
from shared.vectors.base import VectorStore
from shared.vectors.memory import MemoryVectorStore
from shared.vectors.qdrant import QdrantVectorStore
from tests.integration.test_ingest_api_deletion import (
    buried,
    let_the_grace_pass,
    live,
    run,
    write_points,
)
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.qdrant import start_qdrant

CLEAN: dict[str, Any] = {"count": 0, "fixed": 0, "examples": [], "complete": True, "reason": None}
DOCTOR = "/v1/admin/doctor"


@pytest.fixture(autouse=True)
async def swept(api: IngestApi) -> None:
    async with api.context.database.worker() as connection:
        await Sweeps(connection).note("sweep")


async def asked(api: IngestApi, **wish: Any) -> dict[str, Any]:
    response = await api.client.post(DOCTOR, json=wish)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def of_kind(body: dict[str, Any], kind: str) -> dict[str, Any]:
    [found] = [one for one in body["differences"] if one["kind"] == kind]
    return {name: value for name, value in found.items() if name != "kind"}


async def test_a_healthy_tenant_is_well(api: IngestApi, database: Database) -> None:
    await live(api, database, "a.txt", "one", "two")
    body = await asked(api)
    assert (body["well"], body["complete"]) == (True, True)
    assert [one["count"] for one in body["differences"]] == [0, 0, 0, 0]
    assert body["pending"] == {"tombstones": 0, "documents": 0, "collections": 0}
    assert body["stuck"]["sweep_age_s"] < 60
    assert (await api.client.post(DOCTOR)).json()["well"]


async def test_missing_points_are_found_and_queued(api: IngestApi, database: Database) -> None:
    job = await live(api, database, "a.txt", "one", "two")
    await api.vectors.delete_versions(job["index_id"], [job["version_id"]])
    body = await asked(api)
    found = of_kind(body, "points_missing")
    assert (body["well"], found["count"], found["fixed"]) == (False, 2, 0)
    assert found["examples"] == [
        {"id": str(job["version_id"]), "detail": "2 of 2 points are missing"}
    ]
    assert of_kind(await asked(api, fix=True), "points_missing")["fixed"] == 2
    async with database.worker() as connection:
        queued = await connection.execute(text("SELECT count(*) FROM embed_queue"))
        assert queued.scalar_one() == 2
    # What is queued is on its way.
    assert of_kind(await asked(api), "points_missing") == CLEAN


async def test_points_that_nothing_knows_are_found_and_deleted(
    api: IngestApi, database: Database
) -> None:
    job = await live(api, database, "a.txt", "one")
    lost = uuid4()
    await write_points(api, job["index_id"], lost, job["document_id"], [uuid4(), uuid4()])
    found = of_kind(await asked(api), "points_orphaned")
    assert (found["count"], found["examples"][0]["id"]) == (2, str(lost))
    assert await api.vectors.count(job["index_id"]) == 3
    body = await asked(api, fix=True)
    assert (of_kind(body, "points_orphaned")["fixed"], body["well"]) == (2, True)
    assert await api.vectors.count(job["index_id"]) == 1
    assert of_kind(await asked(api), "points_orphaned") == CLEAN


async def test_a_version_whose_bytes_are_gone_is_named(api: IngestApi, database: Database) -> None:
    job = await live(api, database, "kept/a.txt", "one")
    await live(api, database, "b.txt", "two")
    async with database.worker() as connection:
        row = await connection.execute(
            text("SELECT blob_id FROM versions WHERE id = :id"), {"id": job["version_id"]}
        )
        await api.context.blobs.delete(str(row.scalar_one()))
    body = await asked(api, fix=True)
    found = of_kind(body, "bytes_missing")
    assert (body["well"], found["count"], found["fixed"]) == (False, 1, 0)
    assert found["examples"] == [{"id": job["document_id"], "detail": "kept/a.txt, version 1"}]
    # What the doctor's reader is told to do.
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    await let_the_grace_pass(database)
    await buried(api, database)
    assert (await asked(api))["pending"]["documents"] == 0
    again = await upload(api.client, ("kept/a.txt", b"kept/a.txt"))
    assert "duplicate_of" not in again["jobs"][0]
    assert of_kind(await asked(api), "bytes_missing") == CLEAN


async def test_old_bytes_without_a_row_are_counted_and_removed(api: IngestApi) -> None:
    await upload(api.client, ("a.txt", b"kept"))
    [kept] = api.blobs()
    name = str(uuid4())
    orphan = kept.parent.parent / name[-2:] / name
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left behind")
    assert of_kind(await asked(api, fix=True), "bytes_orphaned") == CLEAN
    for path in (kept, orphan):
        os.utime(path, (0, 0))
    assert of_kind(await asked(api), "bytes_orphaned")["count"] == 1
    assert of_kind(await asked(api, fix=True), "bytes_orphaned")["fixed"] == 1
    assert api.blobs() == [kept]


async def test_pending_removal_is_no_difference(api: IngestApi, database: Database) -> None:
    job = await live(api, database, "a.txt", "one")
    await live(api, database, "b.txt", "two", collection="default")
    await api.client.put("/v1/collections/gone", json={})
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    await api.client.delete("/v1/collections/gone")
    body = await asked(api)
    assert body["pending"] == {"tombstones": 1, "documents": 1, "collections": 1}
    assert body["well"], body


async def test_work_that_is_written_and_not_live_yet_is_no_difference(
    api: IngestApi, database: Database
) -> None:
    job = await live(api, database, "a.txt", "one")
    await run(database, "UPDATE documents SET live_version = NULL")
    await run(database, "UPDATE jobs SET state = 'failed'")
    assert (await asked(api))["well"]
    await run(database, "DELETE FROM chunks")
    await run(database, "UPDATE jobs SET state = 'queued'")
    assert of_kind(await asked(api), "points_orphaned") == CLEAN
    await run(database, "UPDATE jobs SET state = 'cancelled'")
    assert of_kind(await asked(api), "points_orphaned")["count"] == 1
    assert job["version_id"]


async def test_what_stands_still_is_counted(api: IngestApi, database: Database) -> None:
    answer = await upload(api.client, ("a.txt", b"one"), ("b.txt", b"two"))
    first, second = (UUID(job["job_id"]) for job in answer["jobs"])
    await run(database, "UPDATE parts SET lease_until = now() - interval '5 min'")
    await run(
        database, "UPDATE jobs SET deadline = now() - interval '5 min' WHERE id = :id", id=first
    )
    async with database.worker() as connection:
        waiting = WaitingFor(kind="operator", code="quota_exceeded", detail="Nothing is left.")
        await Jobs(connection).wait([second], waiting)
    await run(database, "UPDATE sweeps SET swept_at = now() - interval '5 min'")
    body = await asked(api)
    stuck = body["stuck"]
    assert not body["well"]
    assert (stuck["expired_leases"], stuck["past_deadline"]) == (2, 1)
    assert stuck["waiting_for_operator"] == 1
    [waits] = stuck["waiting"]
    assert (waits["job_id"], waits["code"]) == (str(second), "quota_exceeded")
    assert waits["detail"] == "Nothing is left."
    assert stuck["sweep_age_s"] > 299


async def test_what_is_paused_does_not_stand_still(api: IngestApi, database: Database) -> None:
    held = await upload(api.client, ("a.txt", b"one"))
    await run(database, "UPDATE jobs SET deadline = now() - interval '2 days'")
    assert (await asked(api))["stuck"]["past_deadline"] == 1
    await api.client.post(f"/v1/batches/{held['batch_id']}/pause")
    assert (await asked(api))["stuck"]["past_deadline"] == 0


async def test_another_tenants_things_are_neither_seen_nor_touched(
    api: IngestApi, database: Database
) -> None:
    job = await live(api, database, "a.txt", "one")
    await api.vectors.delete_versions(job["index_id"], [job["version_id"]])
    await write_points(api, job["index_id"], uuid4(), job["document_id"], [uuid4()])
    for path in api.blobs():
        os.utime(path, (0, 0))
    await api.client.delete(f"/v1/documents/{(await live(api, database, 'b.txt'))['document_id']}")
    async with api.as_tenant("rival") as rival:
        body = (await rival.post(DOCTOR, json={"fix": True})).json()
    assert body["well"]
    assert [one["count"] for one in body["differences"]] == [0, 0, 0, 0]
    assert body["pending"] == {"tombstones": 0, "documents": 0, "collections": 0}
    mine = await asked(api)
    assert of_kind(mine, "points_missing")["count"] == 1
    assert of_kind(mine, "points_orphaned")["count"] == 1
    assert len(api.blobs()) == 2


@pytest.mark.parametrize(
    "wish", [{"fix": "perhaps"}, {"budget_s": 0}, {"budget_s": 61}, {"tenant": "rival"}, [1]]
)
async def test_a_wish_that_is_wrong_is_refused(api: IngestApi, wish: Any) -> None:
    response = await api.client.post(DOCTOR, json=wish)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_only_an_admin_may_ask(api: IngestApi) -> None:
    async with api.as_tenant("acme", "ingest", "query") as loader:
        response = await loader.post(DOCTOR, json={})
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


class Away(MemoryVectorStore):
    """A store that does not answer."""

    @override
    async def count_versions(self, index_id: UUID, version_ids: object) -> dict[UUID, int]:
        raise VectorStoreUnavailable("Nobody is there.")

    @override
    async def versions(self, index_id: UUID, *, tenant_id: str, limit: int) -> dict[UUID, int]:
        raise VectorStoreUnavailable("Nobody is there.")


def patient(api: IngestApi, vectors: VectorStore, *, fix: bool = False) -> doctor.Patient:
    context = api.context
    return doctor.Patient(context.database, vectors, context.blobs, "acme", fix=fix)


async def test_a_store_that_is_away_leaves_the_others_compared(
    api: IngestApi, database: Database
) -> None:
    await live(api, database, "a.txt", "one")
    found = await doctor.examine(patient(api, Away()), budget_s=20)
    assert [one.complete for one in found.differences] == [False, False, True, True]
    assert found.differences[0].reason == "Nobody is there."
    assert not found.well


async def test_without_time_nothing_is_called_whole(api: IngestApi, database: Database) -> None:
    await live(api, database, "a.txt", "one")
    found = await doctor.examine(patient(api, api.vectors), budget_s=0)
    assert [one.complete for one in found.differences] == [False] * 4
    assert {one.reason for one in found.differences} == {"There was not enough time for all of it."}


async def test_more_versions_than_are_listed_are_not_called_whole(
    api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "MOST_VERSIONS", 1)
    await live(api, database, "a.txt", "one")
    found = await doctor.examine(patient(api, api.vectors), budget_s=20)
    assert [one.complete for one in found.differences] == [True, False, True, True]


class Replacing(MemoryVectorStore):
    """While it counts, another deletes the document."""

    def __init__(self, api: IngestApi, document_id: str) -> None:
        super().__init__()
        self._api, self._document_id = api, document_id

    @override
    async def count_versions(self, index_id: UUID, version_ids: object) -> dict[UUID, int]:
        await self._api.client.delete(f"/v1/documents/{self._document_id}")
        return {}


async def test_what_was_deleted_while_it_was_compared_does_not_differ(
    api: IngestApi, database: Database
) -> None:
    job = await live(api, database, "a.txt", "one")
    vectors = Replacing(api, job["document_id"])
    found = await doctor.examine(patient(api, vectors), budget_s=20)
    assert [one.count for one in found.differences] == [0, 0, 0, 0]


async def test_examples_are_few(api: IngestApi, database: Database) -> None:
    job = await live(api, database, "a.txt", "one")
    for _ in range(doctor.EXAMPLES + 2):
        await write_points(api, job["index_id"], uuid4(), job["document_id"], [uuid4()])
    found = of_kind(await asked(api), "points_orphaned")
    assert (found["count"], len(found["examples"])) == (12, 10)


async def test_a_tenant_with_many_blobs_is_read_page_by_page(
    api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "BLOBS_AT_ONCE", 2)
    names: Sequence[str] = [f"{number}.txt" for number in range(5)]
    await upload(api.client, *((name, name.encode()) for name in names))
    empty = doctor.Patient(database, api.vectors, MemoryBlobStore(), "acme", fix=False)
    found = (await doctor.examine(empty, budget_s=20)).differences[2]
    assert (found.count, found.complete) == (5, True)


async def test_the_embedded_qdrant_is_compared_and_mended(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    with start_qdrant(tmp_path / "qdrant") as url:
        vectors = QdrantVectorStore(url)
        settings = api_settings(database_url, tmp_path)
        async with start_api(settings, tmp_path) as api:
            there = IngestApi(api.app, api.client, cast("Any", vectors), api.publisher, tmp_path)
            job = await live(there, database, "a.txt", "one", "two")
            await vectors.delete_versions(job["index_id"], [job["version_id"]])
            await write_points(there, job["index_id"], uuid4(), job["document_id"], [uuid4()])
            found = await doctor.examine(patient(api, vectors, fix=True), budget_s=20)
            assert [(one.kind, one.count, one.fixed) for one in found.differences[:2]] == [
                ("points_missing", 2, 2),
                ("points_orphaned", 1, 1),
            ]
            assert found.well
            assert await vectors.count(job["index_id"]) == 0
        await vectors.aclose()
