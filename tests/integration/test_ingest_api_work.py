"""From upload to live, through the real steps: what the API writes is what the workers need."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.ingest_worker.upkeep.deletion import bury
from services.ingest_worker.upkeep.repair import queue_missing_points
from shared.database.embed_queue import EmbedQueue
from shared.errors import EmbeddingRejected
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.workers import Workers, working

TEXT = b"# Foxes\n\nThe quick brown fox jumps over the lazy dog.\n"


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
    assert done["timings"].keys() == {"queued", "parse", "chunk", "embed", "index", "total"}
    assert min(done["timings"].values()) >= 0
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


async def test_chunking_that_takes_too_long_fails_its_job(
    database_url: str, tmp_path: Path
) -> None:
    settings = api_settings(database_url, tmp_path, chunk_timeout_s=1e-9)
    async with start_api(settings, tmp_path) as api, working(api, tmp_path) as workers:
        job = (await upload(api.client, ("fox.md", TEXT)))["jobs"][0]
        await workers.work()
        path = f"/v1/documents/{job['document_id']}"
        patched = (await api.client.patch(path, json={"attributes": {"year": 2021}})).json()
        await workers.work(UUID(patched["job_id"]))
        done = await shown(api, f"/v1/jobs/{patched['job_id']}")
        assert (done["state"], done["problem"]["code"]) == ("failed", "deadline_exceeded")
        assert done["problem"]["stage"] == "chunk"


async def test_embedding_that_takes_too_long_goes_back_to_the_queue(
    database_url: str, tmp_path: Path
) -> None:
    settings = api_settings(database_url, tmp_path)
    limited = settings.embedding.model_copy(update={"claim_timeout_s": 1e-9})
    settings = settings.model_copy(update={"embedding": limited})
    async with start_api(settings, tmp_path) as api, working(api, tmp_path) as workers:
        job = (await upload(api.client, ("fox.md", TEXT)))["jobs"][0]
        await workers.work()
        waiting = (await shown(api, f"/v1/jobs/{job['job_id']}"))["waiting_for"]
        assert (waiting["kind"], waiting["code"]) == ("operator", "deadline_exceeded")
        assert waiting["until"]


async def test_a_deleted_document_is_left_nowhere(api: IngestApi, workers: Workers) -> None:
    job = (await upload(api.client, ("fox.md", TEXT)))["jobs"][0]
    await workers.work()
    index_id, _ = await places(api, job["document_id"])
    assert await api.vectors.count(index_id) >= 1
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    await bury(api.context.database, api.vectors, api.context.blobs, grace_s=0)
    assert await api.vectors.count(index_id) == 0


async def test_lost_points_are_queued_and_made_anew(api: IngestApi, workers: Workers) -> None:
    whole, half = b"Herons nest in tall trees.", b"# Foxes\n\n" + b"Foxes dig dens. " * 600
    answer = await upload(api.client, ("whole.md", whole), ("half.md", half), ("kept.md", TEXT))
    await workers.work()
    index_id, _ = await places(api, answer["jobs"][0]["document_id"])
    points = api.vectors._indexes[index_id].points  # noqa: SLF001
    before = dict(points)
    half_id = answer["jobs"][1]["document_id"]
    first, *others = (await shown(api, f"/v1/documents/{half_id}/chunks"))["items"]
    assert others
    [lost] = (await shown(api, f"/v1/documents/{answer['jobs'][0]['document_id']}/chunks"))["items"]
    for chunk in (first, lost):
        del points[UUID(chunk["id"])]
    database, vectors = api.context.database, api.vectors
    assert await queue_missing_points(database, vectors) == 2
    assert await queue_missing_points(database, vectors) == 0
    await workers.work()
    assert points == before
    assert await queue_missing_points(database, vectors) == 0
    batch = await shown(api, f"/v1/batches/{answer['batch_id']}")
    assert batch["counts"]["succeeded"] == 3


async def test_a_store_that_lost_everything_is_filled_again(
    api: IngestApi, workers: Workers
) -> None:
    live, *_ = (await upload(api.client, ("fox.md", TEXT)))["jobs"]
    gone, *_ = (await upload(api.client, ("gone.md", b"Herons nest in trees.")))["jobs"]
    await workers.work()
    index_id, _ = await places(api, live["document_id"])
    await api.client.delete(f"/v1/documents/{gone['document_id']}")
    await api.vectors.drop_index(index_id)
    assert await queue_missing_points(api.context.database, api.vectors) == 1
    # An index that is written off is found missing at the first write, and made.
    for _ in range(2):
        await workers.work()
        await free(api)
    assert await api.vectors.count(index_id) == 1


async def test_points_lost_while_their_document_is_embedded_are_made_before_it_goes_live(
    api: IngestApi, workers: Workers
) -> None:
    job = (await upload(api.client, ("long.md", b"Foxes dig dens. " * 2000)))["jobs"][0]
    workers.embedder.fails_after(calls=1)
    await workers.work()
    index_id, _ = await places(api, job["document_id"])
    written = await api.vectors.count(index_id)
    shown_job = await shown(api, f"/v1/jobs/{job['job_id']}")
    assert 0 < written < shown_job["chunks"]["total"]
    await api.vectors.drop_index(index_id)
    assert await queue_missing_points(api.context.database, api.vectors) == written
    workers.embedder.failure = None
    for _ in range(2):
        await free(api)
        await workers.work()
    done = await shown(api, f"/v1/jobs/{job['job_id']}")
    assert done["state"] == "succeeded", done
    assert await api.vectors.count(index_id) == done["chunks"]["total"]


async def test_what_was_paid_for_before_a_failure_is_not_paid_for_again(
    api: IngestApi, workers: Workers
) -> None:
    good = {f"{name}.md": f"{name} digs dens in the wood.".encode() for name in ("Fox", "Badger")}
    await upload(api.client, *good.items())
    workers.embedder.refuse_once()
    workers.embedder.fails_after(calls=2)
    await workers.work()
    workers.embedder.failure = None
    before = workers.embedder.texts
    await free(api)
    await workers.work()
    assert workers.embedder.texts - before == 1


async def test_a_lost_point_whose_text_is_now_refused_leaves_the_queue(
    api: IngestApi, workers: Workers
) -> None:
    job = (await upload(api.client, ("fox.md", TEXT)))["jobs"][0]
    await workers.work()
    index_id, _ = await places(api, job["document_id"])
    api.vectors._indexes[index_id].points.clear()  # noqa: SLF001
    assert await queue_missing_points(api.context.database, api.vectors) == 1
    workers.embedder.failure = EmbeddingRejected()
    await workers.work()
    async with api.context.database.worker() as connection:
        assert await EmbedQueue(connection).ready(most=1) == 0
        assert await EmbedQueue(connection).waiting(most=1) is None
    assert (await shown(api, f"/v1/jobs/{job['job_id']}"))["state"] == "succeeded"


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


async def free(api: IngestApi) -> None:
    async with api.context.database.worker() as connection:
        await connection.execute(text("UPDATE embed_queue SET not_before = now()"))


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
