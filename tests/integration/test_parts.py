"""Parts under leases: one claim at a time, nothing lost when a claimer dies, fair turns."""

import asyncio

import pytest
from sqlalchemy import text

from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import ClaimedPart, PartKey, Parts
from shared.errors import FileCorrupt
from shared.identity import new_id
from shared.problems import problem_of
from tests.support.seeds import Seeded, job_row, seed_collection, seed_upload


async def claim(database: Database, key: PartKey, lease_s: float = 15) -> ClaimedPart | None:
    async with database.worker() as connection:
        taken = await Parts(connection).claim([key], claim=new_id(), lease_s=lease_s)
        return taken[0] if taken else None


@pytest.fixture
async def upload(database: Database) -> Seeded:
    return await seed_upload(database, await seed_collection(database))


async def test_a_part_is_claimed_by_one(database: Database, upload: Seeded) -> None:
    claims = await asyncio.gather(*(claim(database, upload.part) for _ in range(8)))
    assert len([part for part in claims if part is not None]) == 1


async def test_an_expired_claim_may_be_taken_and_the_late_one_writes_nothing(
    database: Database, upload: Seeded
) -> None:
    late = await claim(database, upload.part, lease_s=0)
    taken = await claim(database, upload.part)
    assert late is not None
    assert taken is not None
    async with database.worker() as connection:
        assert not await Parts(connection).finish(late, elements=b"late", warnings="[]")
        assert await Parts(connection).finish(taken, elements=b"mine", warnings="[]")


async def test_a_lost_lease_goes_back_to_the_queue_and_is_counted(
    database: Database, upload: Seeded
) -> None:
    await claim(database, upload.part, lease_s=0)
    async with database.worker() as connection:
        assert await Parts(connection).expire() == [(upload.job_id, 1)]
        assert await Parts(connection).expire() == []


async def test_a_part_of_an_ended_job_is_not_claimed(database: Database, upload: Seeded) -> None:
    async with database.worker() as connection:
        assert await Jobs(connection).cancel([upload.job_id], grace_s=0) == [upload.job_id]
    assert await claim(database, upload.part) is None


async def test_renewing_says_no_once_the_job_is_cancelled(
    database: Database, upload: Seeded
) -> None:
    part = await claim(database, upload.part)
    assert part is not None
    async with database.worker() as connection:
        await Jobs(connection).start([upload.job_id])
        assert await Parts(connection).renew([part], lease_s=15) == {part.key}
        await Jobs(connection).cancel([upload.job_id], grace_s=0)
        assert not await Parts(connection).renew([part], lease_s=15)


async def test_the_part_plan_gives_every_window_a_part(database: Database, upload: Seeded) -> None:
    part = await claim(database, upload.part)
    assert part is not None
    async with database.worker() as connection:
        await Jobs(connection).start([upload.job_id])
        assert await Jobs(connection).plan(upload.job_id, parts=3, pages=25)
        await Parts(connection).plan(part, [(1, 10), (11, 20), (21, 25)])
    second = await claim(database, PartKey(upload.version_id, 2))
    assert second is not None
    assert (second.page_start, second.page_end, second.parts_total) == (21, 25, 3)
    assert (await job_row(database, upload.job_id))["parts_left"] == 3


async def test_a_part_of_a_failed_job_is_no_work_under_way(
    database: Database, upload: Seeded
) -> None:
    await take(database, 9)
    await claim(database, upload.part)
    async with database.worker() as connection:
        assert await Parts(connection).out() == 1
        await Jobs(connection).fail(upload.job_id, problem_of(FileCorrupt()))
        assert await Parts(connection).out() == 0
        assert await Parts(connection).expire() == []


async def take(database: Database, room: int) -> list[tuple[str, str]]:
    async with database.worker() as connection:
        taken = await Parts(connection).take_waiting(room=room)
    return sorted((part.tenant_id, part.filename) for part in taken)


async def test_many_files_of_one_tenant_do_not_delay_anothers_one(database: Database) -> None:
    busy, quiet = await seed_collection(database, "busy"), await seed_collection(database, "quiet")
    for number in range(6):
        await seed_upload(database, busy, tenant_id="busy", filename=f"{number}.txt", bulk=True)
    await seed_upload(database, quiet, tenant_id="quiet", filename="one.txt")
    assert await take(database, 2) == [("busy", "0.txt"), ("quiet", "one.txt")]


async def test_a_small_batch_goes_before_a_bulk_one(database: Database) -> None:
    collection = await seed_collection(database)
    await seed_upload(database, collection, filename="bulk.txt", bulk=True)
    await seed_upload(database, collection, filename="small.txt")
    assert await take(database, 1) == [("acme", "small.txt")]


async def test_published_parts_are_not_taken_again_until_they_count_as_lost(
    database: Database, upload: Seeded
) -> None:
    assert len(await take(database, 9)) == 1
    assert await take(database, 9) == []
    async with database.worker() as connection:
        assert await Parts(connection).unpublish_lost(after_s=60) == 0
        assert await Parts(connection).unpublish_lost(after_s=0) == 1
    assert len(await take(database, 9)) == 1


async def test_a_paused_batch_waits(database: Database, upload: Seeded) -> None:
    async with database.worker() as connection:
        await connection.execute(text("UPDATE batches SET paused = true"))
    assert await take(database, 9) == []


async def test_a_released_part_waits_for_its_pause(database: Database, upload: Seeded) -> None:
    part = await claim(database, upload.part)
    assert part is not None
    async with database.worker() as connection:
        failures = await Parts(connection).release(part, delay_s=60, crashes=1)
        again = await Parts(connection).release(part, delay_s=60, crashes=1)
    assert failures is not None
    assert failures.crashes == 1
    assert again is None
    assert await take(database, 9) == []


async def test_parts_that_go_alone_take_more_room(database: Database) -> None:
    collection = await seed_collection(database)
    for number in range(3):
        await seed_upload(database, collection, filename=f"{number}.txt")
    async with database.worker() as connection:
        taken = await Parts(connection).take_waiting(room=20, weight=12)
        assert [part.filename for part in taken] == ["0.txt"]
        assert await Parts(connection).out(weight=12) == 12


async def test_a_lost_lease_makes_a_file_go_alone(database: Database, upload: Seeded) -> None:
    await claim(database, upload.part, lease_s=0)
    async with database.worker() as connection:
        await connection.execute(text("UPDATE parts SET alone = false"))
        await Parts(connection).expire()
        assert (await connection.execute(text("SELECT alone FROM parts"))).scalar_one()


async def test_a_lost_lease_of_a_job_that_another_holds_waits_for_the_next_sweep(
    database: Database, upload: Seeded
) -> None:
    await claim(database, upload.part, lease_s=0)
    async with database.worker() as cancelling, database.worker() as sweeping:
        await Jobs(cancelling).lock([upload.job_id])
        assert await Parts(sweeping).expire() == []
        assert await Jobs(cancelling).cancel([upload.job_id], grace_s=0) == [upload.job_id]
    async with database.worker() as connection:
        assert await Parts(connection).expire() == []
