"""Versions: restored, gone back to, made at once; and bytes that the blob store lost."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from shared.database.engine import Database
from tests.support.ingest_api import IngestApi, states, upload
from tests.support.workers import Workers


async def finish(database: Database, state: str = "succeeded") -> None:
    """End every open job as the workers would."""
    async with database.worker() as connection:
        await connection.execute(
            text("UPDATE jobs SET state = :state WHERE state = 'queued'"), {"state": state}
        )


async def restore(client: httpx.AsyncClient, document_id: object, number: int) -> httpx.Response:
    return await client.post(f"/v1/documents/{document_id}/versions/{number}/restore")


async def shown(api: IngestApi, document_id: object) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"/v1/documents/{document_id}")).json()
    return found


async def texts(api: IngestApi, document_id: object) -> list[str]:
    chunks = await api.client.get(f"/v1/documents/{document_id}/chunks")
    return [chunk["text"] for chunk in chunks.json()["items"]]


def only(answer: dict[str, Any]) -> dict[str, Any]:
    [job] = answer["jobs"]
    found: dict[str, Any] = job
    return found


async def test_a_restored_version_goes_live_as_the_newest(api: IngestApi, workers: Workers) -> None:
    first = only(await upload(api.client, ("a.txt", b"the first text"), options='{"ocr": true}'))
    await workers.work()
    await upload(api.client, ("a.txt", b"another text"))
    await workers.work()
    assert await texts(api, first["document_id"]) == ["another text"]
    response = await restore(api.client, first["document_id"], 1)
    job = only(response.json())
    assert (response.status_code, job["state"], job["version"]) == (202, "queued", 3)
    assert response.headers["Location"] == f"/v1/batches/{response.json()['batch_id']}"
    assert (await shown(api, first["document_id"]))["live_version"] == 2
    await workers.work()
    assert (await shown(api, first["document_id"]))["live_version"] == 3
    assert await texts(api, first["document_id"]) == ["the first text"]
    content = await api.client.get(f"/v1/documents/{first['document_id']}/content")
    assert content.content == b"the first text"
    listed = await api.client.get(f"/v1/documents/{first['document_id']}/versions")
    assert [one["options"]["ocr"] for one in listed.json()["items"]] == [True, None, True]


async def test_restoring_what_the_newest_is_already_is_no_work(
    api: IngestApi, database: Database
) -> None:
    job = only(await upload(api.client, ("a.txt", b"one")))
    for _ in ("queued", "succeeded"):
        again = only((await restore(api.client, job["document_id"], 1)).json())
        assert (again["state"], again["version"]) == ("succeeded", 1)
        assert again["duplicate_of"] == job["job_id"]
        await finish(database)
    await upload(api.client, ("a.txt", b"two"))
    once = only((await restore(api.client, job["document_id"], 1)).json())
    twice = only((await restore(api.client, job["document_id"], 1)).json())
    assert (once["version"], once["state"]) == (3, "queued")
    assert (twice["version"], twice["duplicate_of"]) == (3, once["job_id"])
    assert (await shown(api, job["document_id"]))["newest_version"] == 3


async def test_a_live_version_is_restored_over_a_newer_one_under_way(
    api: IngestApi, workers: Workers
) -> None:
    job = only(await upload(api.client, ("a.txt", b"one")))
    await workers.work()
    await upload(api.client, ("a.txt", b"two"))
    await restore(api.client, job["document_id"], 1)
    await workers.work()
    assert (await shown(api, job["document_id"]))["live_version"] == 3
    assert await texts(api, job["document_id"]) == ["one"]


async def test_a_version_that_failed_is_tried_anew(api: IngestApi, database: Database) -> None:
    job = only(await upload(api.client, ("a.txt", b"one")))
    await finish(database, "failed")
    again = only((await restore(api.client, job["document_id"], 1)).json())
    assert (again["state"], again["version"]) == ("queued", 2)


async def test_what_is_not_there_cannot_be_restored(api: IngestApi, database: Database) -> None:
    job = only(await upload(api.client, ("a.txt", b"one")))
    await finish(database)
    for document_id, number, status in (
        (job["document_id"], 2, 404),
        (job["document_id"], 0, 422),
        (job["document_id"], 2**31, 422),
        (uuid4(), 1, 404),
    ):
        assert (await restore(api.client, document_id, number)).status_code == status
    rival = await restore(api.as_tenant("rival"), job["document_id"], 1)
    assert rival.status_code == 404
    assert (await restore(api.as_tenant("acme", "query"), job["document_id"], 1)).status_code == 403
    await api.client.delete(f"/v1/documents/{job['document_id']}")
    assert (await restore(api.client, job["document_id"], 1)).status_code == 404


async def test_bytes_that_are_gone_are_told_and_brought_back_by_an_upload(
    api: IngestApi, workers: Workers
) -> None:
    job = only(await upload(api.client, ("a.txt", b"one")))
    await workers.work()
    await upload(api.client, ("a.txt", b"two"))
    await workers.work()
    [lost] = [path for path in api.blobs() if path.read_bytes() == b"one"]
    lost.unlink()
    refused = await restore(api.client, job["document_id"], 1)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert "Upload the same file again" in refused.json()["hint"]
    assert (await shown(api, job["document_id"]))["newest_version"] == 2
    # Under any name: it is the bytes that count.
    await upload(api.client, ("elsewhere.txt", b"one"))
    assert lost.read_bytes() == b"one"
    assert len(api.blobs()) == 2
    assert (await restore(api.client, job["document_id"], 1)).status_code == 202
    await workers.work()
    assert await texts(api, job["document_id"]) == ["one"]


async def test_lost_bytes_come_back_though_the_file_is_no_work(
    api: IngestApi, database: Database
) -> None:
    job = only(await upload(api.client, ("a.txt", b"one")))
    await finish(database)
    [path] = api.blobs()
    path.unlink()
    # A write that was killed half-way left its piece.
    piece = api.blob_folder / "incoming" / path.name
    piece.write_bytes(b"o")
    again = await asyncio.gather(*(upload(api.client, ("a.txt", b"one")) for _ in range(5)))
    assert [states(answer) for answer in again] == [["succeeded"]] * 5
    assert api.blobs() == [path]
    content = await api.client.get(f"/v1/documents/{job['document_id']}/content")
    assert content.content == b"one"


async def test_back_to_the_first_bytes_is_a_third_version(api: IngestApi, workers: Workers) -> None:
    for content, version in ((b"A", 1), (b"B", 2), (b"A", 3)):
        job = only(await upload(api.client, ("a.txt", content)))
        assert (job["version"], job["state"]) == (version, "queued")
        await workers.work()
        assert await texts(api, job["document_id"]) == [content.decode()]
    assert len(api.blobs()) == 2


async def test_back_and_forth_before_any_work_ends_at_the_last(
    api: IngestApi, workers: Workers
) -> None:
    jobs = [only(await upload(api.client, ("a.txt", content))) for content in (b"A", b"B", b"A")]
    assert [job["version"] for job in jobs] == [1, 2, 3]
    await workers.work()
    assert (await shown(api, jobs[0]["document_id"]))["live_version"] == 3
    assert await texts(api, jobs[0]["document_id"]) == ["A"]


async def test_two_uploads_of_one_name_at_once_are_both_versions_and_the_later_is_live(
    api: IngestApi, workers: Workers, database: Database
) -> None:
    answers = await asyncio.gather(
        *(upload(api.client, ("a.txt", f"text {n}".encode())) for n in range(6))
    )
    jobs = sorted((only(answer) for answer in answers), key=lambda job: int(job["version"]))
    assert [job["version"] for job in jobs] == [1, 2, 3, 4, 5, 6]
    assert len({job["document_id"] for job in jobs}) == 1
    seen = await risen(workers, database, UUID(jobs[0]["document_id"]))
    assert seen == sorted(seen)
    assert seen[-1] == 6
    ended = [(await api.client.get(f"/v1/jobs/{job['job_id']}")).json() for job in jobs]
    assert {job["state"] for job in ended} <= {"succeeded", "succeeded_with_warnings"}


async def risen(workers: Workers, database: Database, document_id: UUID) -> list[int]:
    """Work until nothing is left; return every live version that was seen meanwhile."""
    working = asyncio.create_task(workers.work())
    seen: list[int] = []
    while True:
        ended = working.done()
        async with database.worker() as connection:
            live = await connection.execute(
                text("SELECT coalesce(live_version, 0) FROM documents WHERE id = :id"),
                {"id": document_id},
            )
            seen.append(live.scalar_one())
        if ended:
            await working
            return seen


@pytest.mark.parametrize(("on_duplicate", "made"), [("replace", 1), ("skip", 1), ("new", 8)])
async def test_the_same_file_at_once(
    api: IngestApi, database: Database, on_duplicate: str, made: int
) -> None:
    answers = await asyncio.gather(
        *(upload(api.client, ("a.txt", b"same"), on_duplicate=on_duplicate) for _ in range(8))
    )
    assert sum(states(answer) == ["queued"] for answer in answers) == made
    assert await counts(database) == (made, made)
    assert len(api.blobs()) == 1


@pytest.mark.parametrize(
    ("on_duplicate", "documents", "versions"), [("replace", 1, 8), ("skip", 1, 1), ("new", 8, 8)]
)
async def test_different_files_of_one_name_at_once(
    api: IngestApi, database: Database, on_duplicate: str, documents: int, versions: int
) -> None:
    await asyncio.gather(
        *(
            upload(api.client, ("a.txt", f"text {n}".encode()), on_duplicate=on_duplicate)
            for n in range(8)
        )
    )
    assert await counts(database) == (documents, versions)
    assert len(api.blobs()) == versions


async def test_restores_and_uploads_at_once_number_every_version_once(
    api: IngestApi, database: Database
) -> None:
    job = only(await upload(api.client, ("a.txt", b"text 0")))
    await upload(api.client, ("a.txt", b"text 1"))
    answers = await asyncio.gather(
        *(upload(api.client, ("a.txt", f"text {n}".encode())) for n in range(2, 8)),
        *(restore(api.client, job["document_id"], 1 + n % 2) for n in range(8)),
    )
    assert all(one.status_code == 202 for one in answers if isinstance(one, httpx.Response))
    async with database.worker() as connection:
        found = await connection.execute(text("SELECT number FROM versions ORDER BY number"))
        numbers = list(found.scalars())
    assert numbers == list(range(1, len(numbers) + 1))
    assert (await shown(api, job["document_id"]))["newest_version"] == numbers[-1]


async def counts(database: Database) -> tuple[int, int]:
    async with database.worker() as connection:
        found = await connection.execute(
            text("SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM versions)")
        )
        documents, versions = found.one()
        return int(documents), int(versions)
