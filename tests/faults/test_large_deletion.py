"""A collection of 100,000 chunks is deleted: the answer is quick, and others hardly notice."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from services.ingest_worker.upkeep.deletion import bury
from shared.database.engine import Database
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload

DOCUMENTS, CHUNKS_EACH = 10_000, 10
ANSWERS_WITHIN_S = 1.0
GONE_WITHIN_S = 180.0
# The same rows as an upload leaves, made by the database itself.
ROWS = (
    (
        "CREATE TEMP TABLE made ON COMMIT DROP AS SELECT g, gen_random_uuid() AS d,"
        " gen_random_uuid() AS v, gen_random_uuid() AS b, gen_random_uuid() AS j, c.id AS c,"
        " c.active_index AS i, t.id AS batch FROM generate_series(1, :documents) g, collections c,"
        " batches t WHERE c.name = 'papers' AND t.collection_id = c.id"
    ),
    (
        "INSERT INTO blobs (id, tenant_id, sha256, size)"
        " SELECT b, 'acme', sha256(b::text::bytea), 1 FROM made"
    ),
    (
        "INSERT INTO documents (id, tenant_id, collection_id, name, live_version, newest_version)"
        " SELECT d, 'acme', c, 'd' || g, 1, 1 FROM made"
    ),
    (
        "INSERT INTO versions (id, tenant_id, document_id, number, blob_id)"
        " SELECT v, 'acme', d, 1, b FROM made"
    ),
    (
        "INSERT INTO jobs (id, tenant_id, batch_id, collection_id, document_id, version_id,"
        " version, filename, state, stage) SELECT j, 'acme', batch, c, d, v, 1, 'd' || g,"
        " CASE WHEN g % 10 = 0 THEN 'queued' ELSE 'succeeded' END, 'index' FROM made"
    ),
    (
        "INSERT INTO parts (version_id, number, tenant_id, job_id, state)"
        " SELECT v, 0, 'acme', j, 'done' FROM made"
    ),
    (
        "INSERT INTO chunks (id, tenant_id, index_id, document_id, version_id, ordinal, text,"
        " tokens, page_start, page_end, section, text_sha256) SELECT gen_random_uuid(),"
        " 'acme', i, d, v, o,"
        " repeat(md5(v::text || o), 40), 300, 1, 1, '{}', sha256((v::text || o)::bytea)"
        " FROM made, generate_series(1, :chunks) o"
    ),
)


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        yield api


async def fill(api: IngestApi, database: Database) -> None:
    await api.client.put("/v1/collections/papers", json={})
    await upload(api.client, ("first.txt", b"first"), collection="papers")
    async with database.worker() as connection:
        for statement in ROWS:
            parameters = {"documents": DOCUMENTS, "chunks": CHUNKS_EACH}
            used = {name: value for name, value in parameters.items() if f":{name}" in statement}
            await connection.execute(text(statement), used)
    async with database.worker() as connection:
        await connection.execute(text("ANALYZE"))


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.monotonic()
    await work()
    return time.monotonic() - began


async def uploads_of_another(api: IngestApi, stop: asyncio.Event) -> list[float]:
    """Upload a file after the other as somebody else; return how long each took, seconds."""
    rival, took = api.as_tenant("rival"), list[float]()
    while not stop.is_set():
        file = (f"{len(took)}.txt", f"Text {len(took)}.".encode())
        took.append(await timed(partial(upload, rival, file)))
        await asyncio.sleep(0.02)
    return took


async def rows_left(database: Database) -> int:
    async with database.worker() as connection:
        left = await connection.execute(
            text("SELECT count(*) FROM collections WHERE deleted_at IS NOT NULL")
        )
        return int(left.scalar_one())


@pytest.mark.drill
async def test_100_000_chunks_are_deleted_beside_the_work_of_others(
    api: IngestApi, database: Database
) -> None:
    await fill(api, database)
    stop = asyncio.Event()
    others = asyncio.create_task(uploads_of_another(api, stop))
    answered = await timed(partial(api.client.delete, "/v1/collections/papers"))
    assert answered < ANSWERS_WITHIN_S
    assert (await api.client.put("/v1/collections/papers", json={})).json()["documents"] == 0
    one_round = partial(bury, database, api.vectors, api.context.blobs, grace_s=1)
    rounds, began = list[float](), time.monotonic()
    while await rows_left(database):
        assert time.monotonic() - began < GONE_WITHIN_S
        rounds.append(await timed(one_round))
        await asyncio.sleep(0.2)
    stop.set()
    took = sorted(await others)
    print(
        f"answered in {answered:.2f} s; gone after {time.monotonic() - began:.1f} s in"
        f" {len(rounds)} rounds, the longest {max(rounds):.1f} s; {len(took)} uploads of another,"
        f" median {took[len(took) // 2]:.3f} s, longest {took[-1]:.3f} s"
    )
    assert max(rounds) < 5
    assert took[-1] < 1
    async with database.worker() as connection:
        documents = await connection.execute(
            text("SELECT count(*) FROM documents WHERE tenant_id = 'acme'")
        )
        assert documents.scalar_one() == 0
