"""`POST /v1/admin/rebuild`: the points come back from Postgres, whatever the store has lost."""

from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from typing_extensions import override

from services.ingest_worker.upkeep.doctor import mend_points
from services.ingest_worker.upkeep.rebuild import Rebuilder
from shared.database import rebuilds
from shared.database.engine import Database
from shared.database.sweeps import Sweeps
from shared.embeddings.sparse import ANALYSER
from shared.errors import VectorStoreUnavailable
from shared.vectors.base import Point, SparseVector
from shared.vectors.memory import MemoryVectorStore
from shared.vectors.qdrant import QdrantVectorStore
from tests.integration.test_ingest_api_deletion import run
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.qdrant import start_qdrant
from tests.support.workers import Workers, working

REBUILD = "/v1/admin/rebuild"
FILES = 6


@pytest.fixture
async def loaded(api: IngestApi, workers: Workers) -> list[dict[str, Any]]:
    """Six documents of one chunk each, live, in a collection of their own."""
    await api.client.put("/v1/collections/papers", json={})
    return await load(api, workers, *(f"{number}.txt" for number in range(FILES)))


async def load(api: IngestApi, workers: Workers, *names: str) -> list[dict[str, Any]]:
    files = [(name, f"The text of {name}.".encode()) for name in names]
    answer = await upload(api.client, *files, collection="papers")
    await workers.work()
    jobs: list[dict[str, Any]] = answer["jobs"]
    return jobs


async def one(database: Database, statement: str, **parameters: Any) -> Any:
    async with database.worker() as connection:
        return (await connection.execute(text(statement), parameters)).scalar_one()


async def index_of(database: Database) -> UUID:
    found: UUID = await one(database, "SELECT active_index FROM collections WHERE name = 'papers'")
    return found


def rebuilder(api: IngestApi, vectors: MemoryVectorStore | None = None) -> Rebuilder:
    context = api.context
    return Rebuilder(
        database=context.database,
        vectors=vectors or api.vectors,
        mend=partial(mend_points, context.database, vectors or api.vectors, context.blobs),
        wake=lambda: None,
        pause_s=0,
    )


async def begun(api: IngestApi, **wish: Any) -> dict[str, Any]:
    response = await api.client.post(REBUILD, json=wish)
    assert response.status_code == (200 if wish.get("dry_run") else 202), response.text
    body: dict[str, Any] = response.json()
    return body


async def progress(api: IngestApi) -> dict[str, Any]:
    [shown] = (await api.client.get(REBUILD)).json()["items"]
    found: dict[str, Any] = shown
    return found


async def finish(api: IngestApi, workers: Workers) -> dict[str, Any]:
    """Let the loop and the embed worker take turns until the rebuild is done."""
    going_on = rebuilder(api)
    for _ in range(20):
        while await going_on.step():
            pass
        await workers.work()
        if (await progress(api))["stage"] == "done":
            break
    return await progress(api)


async def well(api: IngestApi, database: Database) -> bool:
    async with database.worker() as connection:
        await Sweeps(connection).note("sweep")
    return bool((await api.client.post("/v1/admin/doctor")).json()["well"])


async def test_a_rebuild_makes_all_terms_the_present_analysers(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    asked = "SELECT i.analyser FROM indexes i JOIN collections c ON c.active_index = i.id {}"
    asked = asked.format("WHERE c.name = 'papers'")
    assert loaded
    assert await one(database, asked) == ANALYSER
    async with database.worker() as connection:
        await connection.execute(text("UPDATE indexes SET analyser = '1'"))
    await begun(api, collection="papers")
    assert await one(database, asked) == "1"
    assert (await finish(api, workers))["stage"] == "done"
    assert await one(database, asked) == ANALYSER


async def test_an_index_is_told_its_languages(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    german = "Die Häuser werden von den Ämtern nicht vor dem Ende des Jahres bezahlt."
    files = [("a.txt", german.encode()), ("b.txt", b"A house is paid for."), ("c.txt", b"17")]
    await upload(api.client, *files, collection="default")
    await workers.work()
    told = "SELECT languages FROM indexes WHERE languages <> '{}'"
    assert await one(database, told) == {"german": 1, "english": 1}


async def test_a_store_that_lost_everything_is_filled_again(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    index_id = await index_of(database)
    await api.vectors.drop_index(index_id)
    before = await jobs(database)
    calls = workers.embedder.calls

    told = await begun(api, collection="papers", dry_run=True)
    [cost] = told["costs"]
    assert (cost["documents"], cost["chunks"], cost["unknown"]) == (FILES, FILES, FILES)
    assert (cost["calls"], cost["usd"]) == (1, None)
    assert cost["tokens"] == await one(database, "SELECT sum(tokens) FROM chunks")
    assert cost["seconds"] > 0
    assert told["rebuilds"] == (await api.client.get(REBUILD)).json()["items"] == []

    await begun(api, collection="papers")
    done = await finish(api, workers)
    assert (done["documents"], done["chunks"], done["left"]) == (FILES, FILES, 0)
    assert done["finished_at"]
    assert await api.vectors.count(index_id) == FILES
    assert await well(api, database)
    # Nothing was parsed again, no job came alive; what it took stands with the job it was for.
    assert await jobs(database) == before
    assert workers.embedder.calls > calls
    tokens = await one(database, "SELECT sum((usage->>'tokens')::int) FROM jobs")
    assert tokens == 2 * cost["tokens"]


async def jobs(database: Database) -> list[Any]:
    async with database.worker() as connection:
        rows = await connection.execute(
            text("SELECT id, state, revision, finished_at, chunks_left FROM jobs ORDER BY id")
        )
        return list(rows.all())


async def test_vectors_that_are_there_are_paid_for_by_nobody(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    index_id, calls = await index_of(database), workers.embedder.calls
    stray = uuid4()
    await write_stray(api, index_id, stray)
    assert (await begun(api, collection="papers", dry_run=True))["costs"][0]["unknown"] == 0
    await begun(api, collection="papers")
    await rebuilder(api).step()
    # Meanwhile nothing is missing: points are overwritten one by one.
    assert await api.vectors.count(index_id) == FILES + 1
    assert (await finish(api, workers))["chunks"] == FILES
    assert workers.embedder.calls == calls
    assert await api.vectors.count_versions(index_id, [stray]) == {}
    assert await api.vectors.count(index_id) == FILES
    assert await one(database, "SELECT sum((usage->>'cached')::int) FROM jobs") == FILES


async def write_stray(api: IngestApi, index_id: UUID, version_id: UUID) -> None:
    """Leave a point that no row explains."""
    payload = {"tenant_id": "acme", "version_id": str(version_id), "document_id": str(uuid4())}
    point = Point(id=uuid4(), dense=[0.1] * 256, sparse=SparseVector((), ()), payload=payload)
    await api.vectors.upsert(index_id, [point])


async def test_half_lost_is_half_paid(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    index_id = await index_of(database)
    versions = await one(database, "SELECT array_agg(id) FROM versions")
    await api.vectors.delete_versions(index_id, versions[: FILES // 2])
    await run(database, "UPDATE jobs SET usage = '{}'")
    assert (await begun(api, dry_run=True))["costs"][-1]["unknown"] == FILES // 2
    await begun(api, collection="papers")
    await finish(api, workers)
    assert await api.vectors.count(index_id) == FILES
    assert await one(database, "SELECT sum((usage->>'cached')::int) FROM jobs") == FILES // 2


async def test_asking_twice_is_one_rebuild(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    first = await begun(api, collection="papers")
    second = await begun(api, collection="papers")
    assert first["rebuilds"][0]["id"] == second["rebuilds"][0]["id"]
    assert (await api.client.post(REBUILD, json={"from_empty": True})).status_code == 409
    going_on = rebuilder(api)
    while await going_on.step():
        pass
    assert await one(database, "SELECT count(*) FROM embed_queue") == FILES
    assert (await progress(api))["left"] == FILES


async def test_a_rebuild_that_died_goes_on_where_it_was(
    api: IngestApi,
    database: Database,
    workers: Workers,
    loaded: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rebuilds, "CHUNKS_A_SLICE", 2)
    await begun(api, collection="papers")
    for _ in ("prepare", "queue"):
        await rebuilder(api).step()
    assert ((await progress(api))["documents"], (await progress(api))["chunks"]) == (2, 2)
    # Two processes at once, as after a restart: neither queues what the other did.
    while any([await rebuilder(api).step(), await rebuilder(api).step()]):
        pass
    assert (await finish(api, workers))["chunks"] == FILES


async def test_new_work_goes_before_what_is_embedded_again(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    await begun(api, collection="papers")
    going_on = rebuilder(api)
    while await going_on.step():
        pass
    answer = await upload(api.client, ("new.txt", b"Just come in."))
    workers.embedder.fails_after(1)
    await workers.work()
    shown = (await api.client.get(f"/v1/jobs/{answer['jobs'][0]['job_id']}")).json()
    assert shown["state"] == "succeeded"


class Losing(MemoryVectorStore):
    """Answers no more once it dropped an index."""

    dropped = 0

    @override
    async def drop_index(self, index_id: UUID) -> None:
        await super().drop_index(index_id)
        self.dropped += 1
        if self.dropped == 1:
            raise VectorStoreUnavailable


async def test_from_empty_drops_first_and_survives_dying_there(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    index_id, losing = await index_of(database), Losing()
    [cost] = (await begun(api, collection="papers", from_empty=True))["costs"]
    assert cost["unknown"] == FILES
    with pytest.raises(VectorStoreUnavailable):
        await rebuilder(api, losing).step()
    assert (await progress(api))["stage"] == "preparing"
    await rebuilder(api).step()
    assert await api.vectors.count(index_id) == 0
    assert (await finish(api, workers))["stage"] == "done"
    assert await api.vectors.count(index_id) == FILES
    assert await well(api, database)


async def test_what_is_lost_during_a_rebuild_is_found_at_its_end(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    await begun(api, collection="papers")
    going_on = rebuilder(api)
    while await going_on.step():
        pass
    await workers.work()
    index_id = await index_of(database)
    await api.vectors.drop_index(index_id)
    done = await finish(api, workers)
    assert done["stage"] == "done"
    assert await api.vectors.count(index_id) == FILES


async def test_a_document_deleted_meanwhile_is_not_embedded(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    await begun(api, collection="papers")
    going_on = rebuilder(api)
    while await going_on.step():
        pass
    await api.client.delete(f"/v1/documents/{loaded[0]['document_id']}")
    assert await one(database, "SELECT count(*) FROM embed_queue") == FILES - 1


async def test_a_collection_deleted_meanwhile_ends_its_rebuild(
    api: IngestApi, database: Database, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    await begun(api, collection="papers")
    going_on = rebuilder(api)
    while await going_on.step():
        pass
    await api.client.delete("/v1/collections/papers")
    assert await one(database, "SELECT count(*) FROM embed_queue") == 0
    assert not await going_on.step()
    assert (await api.client.get(REBUILD)).json()["items"] == []


async def test_only_an_admin_of_the_tenant_may(
    api: IngestApi, workers: Workers, loaded: list[dict[str, Any]]
) -> None:
    assert (await api.as_tenant("acme", "ingest").post(REBUILD)).status_code == 403
    assert (await api.as_tenant("acme", "query").get(REBUILD)).status_code == 403
    rival = api.as_tenant("rival")
    assert (await rival.post(REBUILD, json={"collection": "papers"})).status_code == 404
    assert (await rival.post(REBUILD)).json() == {"costs": [], "rebuilds": []}
    await begun(api, collection="papers")
    assert (await rival.get(REBUILD)).json() == {"items": []}


async def test_the_embedded_qdrant_is_filled_again(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    with start_qdrant(tmp_path / "qdrant") as url:
        vectors = QdrantVectorStore(url)
        async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
            there = IngestApi(api.app, api.client, cast("Any", vectors), api.publisher, tmp_path)
            async with working(there, tmp_path) as workers:
                await api.client.put("/v1/collections/papers", json={})
                await load(there, workers, *(f"{number}.txt" for number in range(FILES)))
                index_id = await index_of(database)
                await vectors.drop_index(index_id)
                calls = workers.embedder.calls
                await begun(there, collection="papers")
                assert (await finish(there, workers))["stage"] == "done"
                assert await vectors.count(index_id) == FILES
                paid = workers.embedder.calls
                assert paid > calls
                # Once more, with all points there: their own vectors are taken.
                await begun(there, collection="papers")
                assert (await finish(there, workers))["stage"] == "done"
                assert workers.embedder.calls == paid
                assert await vectors.count(index_id) == FILES
        await vectors.aclose()
