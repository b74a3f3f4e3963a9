"""The sweeper: what died goes back, what is over ends, and everyone can see that it sweeps."""

import pytest
from sqlalchemy import text

from services.ingest_worker.sweeper import Sweeper
from shared.database.engine import Database
from shared.database.parts import Parts
from shared.database.sweeps import SWEEP, Sweeps
from shared.identity import new_id
from shared.settings import IngestSettings
from tests.support.seeds import Seeded, job_row, seed_collection, seed_upload


@pytest.fixture
def rounds() -> list[str]:
    return []


@pytest.fixture
def sweeper(database: Database, rounds: list[str]) -> Sweeper:
    async def bury() -> None:
        rounds.append("bury")

    return Sweeper(
        database=database,
        bury=bury,
        wake=lambda: rounds.append("wake"),
        settings=IngestSettings(max_lost_leases=2),
        grace_s=16,
    )


@pytest.fixture
async def upload(database: Database) -> Seeded:
    return await seed_upload(database, await seed_collection(database))


async def lose_a_lease(database: Database, upload: Seeded) -> None:
    async with database.worker() as connection:
        await connection.execute(text("UPDATE parts SET not_before = now()"))
        assert await Parts(connection).claim([upload.part], claim=new_id(), lease_s=0)


async def test_a_dead_workers_part_goes_back_and_counts(
    database: Database, sweeper: Sweeper, upload: Seeded, rounds: list[str]
) -> None:
    await lose_a_lease(database, upload)
    assert await sweeper.sweep()
    job = await job_row(database, upload.job_id)
    assert (job["state"], job["attempts"]) == ("queued", 1)
    assert rounds == ["wake", "bury"]


async def test_a_part_whose_workers_always_die_fails_its_job(
    database: Database, sweeper: Sweeper, upload: Seeded
) -> None:
    for _ in range(2):
        await lose_a_lease(database, upload)
        await sweeper.sweep()
    job = await job_row(database, upload.job_id)
    assert (job["state"], job["problem"]["code"]) == ("failed", "parser_crashed")


async def test_a_dead_workers_chunk_step_goes_back(
    database: Database, sweeper: Sweeper, upload: Seeded
) -> None:
    async with database.worker() as connection:
        await connection.execute(
            text(
                "UPDATE jobs SET state = 'parsing', stage = 'chunk', claim = :c,"
                " lease_until = now()"
            ),
            {"c": new_id()},
        )
    await sweeper.sweep()
    job = await job_row(database, upload.job_id)
    assert (job["claim"], job["attempts"]) == (None, 1)


async def test_a_job_past_its_deadline_fails(
    database: Database, sweeper: Sweeper, upload: Seeded
) -> None:
    async with database.worker() as connection:
        await connection.execute(text("UPDATE jobs SET deadline = now() - interval '1 second'"))
    await sweeper.sweep()
    assert (await job_row(database, upload.job_id))["problem"]["code"] == "deadline_exceeded"


async def test_one_sweeps_at_a_time_and_the_last_sweep_is_known(
    database: Database, sweeper: Sweeper
) -> None:
    assert await sweeper.age_s() is None
    async with database.worker() as connection:
        assert await Sweeps(connection).try_lock(SWEEP)
        assert not await sweeper.sweep()
    assert await sweeper.sweep()
    age = await sweeper.age_s()
    assert age is not None
    assert age < 5
