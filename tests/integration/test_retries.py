"""Retrying: the same job, from its last good step or as a new version of the same bytes."""

from uuid import UUID

import pytest
from sqlalchemy import text

from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import Parts
from shared.database.retries import Retries
from shared.errors import Conflict, NotFound, ParserCrashed
from shared.identity import new_id
from shared.problems import problem_of
from tests.support.seeds import Seeded, job_row, seed_collection, seed_upload


@pytest.fixture
async def upload(database: Database) -> Seeded:
    return await seed_upload(database, await seed_collection(database))


async def fail(database: Database, job_id: UUID) -> None:
    async with database.worker() as connection:
        await Jobs(connection).fail(job_id, problem_of(ParserCrashed()))


async def retry(database: Database, job_id: UUID, options: dict[str, object] | None = None) -> None:
    async with database.worker() as connection:
        await Retries(connection, deadline_s=60).retry(job_id, options=options)


async def test_a_failed_job_is_queued_again(database: Database, upload: Seeded) -> None:
    await fail(database, upload.job_id)
    before = await job_row(database, upload.job_id)
    await retry(database, upload.job_id)
    job = await job_row(database, upload.job_id)
    assert (job["state"], job["stage"], job["problem"]) == ("queued", "parse", None)
    assert (job["parts_left"], job["attempts"]) == (1, 0)
    assert job["revision"] == before["revision"] + 1
    async with database.worker() as connection:
        assert await Parts(connection).claim([upload.part], claim=new_id(), lease_s=5)


async def test_a_job_whose_parts_are_in_goes_on_with_chunking(
    database: Database, upload: Seeded
) -> None:
    async with database.worker() as connection:
        [part] = await Parts(connection).claim([upload.part], claim=new_id(), lease_s=15)
        await Jobs(connection).start([upload.job_id])
        await Parts(connection).finish(part, elements=b"", warnings="[]")
        await Jobs(connection).count_part(upload.job_id, pages=1, ms=1)
    await fail(database, upload.job_id)
    await retry(database, upload.job_id)
    job = await job_row(database, upload.job_id)
    assert (job["state"], job["stage"], job["parts_left"]) == ("parsing", "chunk", 0)


async def test_other_options_make_a_new_version_of_the_same_bytes(
    database: Database, upload: Seeded
) -> None:
    await fail(database, upload.job_id)
    await retry(database, upload.job_id, {"ocr": True})
    job = await job_row(database, upload.job_id)
    assert (job["version"], job["state"]) == (2, "queued")
    assert job["version_id"] != upload.version_id
    async with database.worker() as connection:
        row = await connection.execute(
            text("SELECT blob_id, options FROM versions WHERE id = :id"), {"id": job["version_id"]}
        )
        assert row.one() == (upload.blob_id, {"ocr": True})


async def test_a_cancelled_job_begins_anew(database: Database, upload: Seeded) -> None:
    async with database.worker() as connection:
        await Jobs(connection).cancel([upload.job_id], grace_s=0)
    await retry(database, upload.job_id)
    assert (await job_row(database, upload.job_id))["version"] == 2


async def test_a_job_under_way_is_not_retried(database: Database, upload: Seeded) -> None:
    with pytest.raises(Conflict):
        await retry(database, upload.job_id)


async def test_nothing_is_retried_that_is_not_there(database: Database, upload: Seeded) -> None:
    with pytest.raises(NotFound):
        await retry(database, new_id())
    await fail(database, upload.job_id)
    async with database.worker() as connection:
        await connection.execute(text("UPDATE documents SET deleted_at = now()"))
    with pytest.raises(NotFound):
        await retry(database, upload.job_id)
