"""The sweeper: what died goes back, what is over ends, and everyone can see that it sweeps."""

import asyncio

import pytest
from sqlalchemy import text

from services.ingest_worker.upkeep.sweeper import Sweeper
from shared.database.engine import Database
from shared.database.jobs import Jobs
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


async def test_however_many_are_overdue_end_in_one_sweep(
    database: Database, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest_worker.upkeep.sweeper.SLICE", 3)
    await seven_overdue(database)
    await sweeper.sweep()
    assert await states(database) == ["failed"] * 7


async def test_a_sweep_has_an_end_and_the_next_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bury() -> None:
        return

    monkeypatch.setattr("services.ingest_worker.upkeep.sweeper.SLICE", 3)
    settings = IngestSettings(sweep_s=1e-6)
    sweeper = Sweeper(
        database=database, bury=bury, wake=lambda: None, settings=settings, grace_s=16
    )
    await seven_overdue(database)
    for ended in (3, 6, 7):
        await sweeper.sweep()
        assert (await states(database)).count("failed") == ended


async def test_who_holds_an_overdue_job_holds_up_no_other(
    database: Database, sweeper: Sweeper
) -> None:
    [held, *_] = await seven_overdue(database)
    async with database.worker() as elsewhere, asyncio.timeout(10):
        await Jobs(elsewhere).lock([held.job_id])
        await sweeper.sweep()
        assert (await states(database)).count("failed") == 6
    await sweeper.sweep()
    assert (await states(database)).count("failed") == 7


async def seven_overdue(database: Database) -> list[Seeded]:
    collection = await seed_collection(database)
    seeded = [await seed_upload(database, collection, filename=f"{n}.txt") for n in range(7)]
    async with database.worker() as connection:
        await connection.execute(text("UPDATE jobs SET deadline = now() - interval '1 second'"))
    return seeded


async def states(database: Database) -> list[str]:
    async with database.worker() as connection:
        return list((await connection.execute(text("SELECT state FROM jobs"))).scalars())


@pytest.mark.parametrize(
    "waits",
    [
        "state = 'queued'",
        "state = 'parsing'",
        "state = 'parsing', waiting_for = '{\"kind\": \"store\"}'",
        "state = 'parsing', stage = 'chunk', parts_left = 0",
        "state = 'parsing', stage = 'chunk', claim = id, lease_until = now() + interval '1 day'",
        "state = 'parsing', stage = 'chunk', not_before = now() + interval '9 days'",
        "state = 'embedding', stage = 'embed', chunks_total = 1, chunks_left = 1",
        "state = 'embedding', stage = 'embed', waiting_for = '{\"kind\": \"operator\"}'",
    ],
)
@pytest.mark.parametrize("part", ["queued", "leased", "done", "stopped"])
async def test_there_is_nothing_a_job_could_wait_in_for_ever(
    database: Database, sweeper: Sweeper, upload: Seeded, waits: str, part: str
) -> None:
    async with database.worker() as connection:
        await connection.execute(
            text(f"UPDATE jobs SET {waits}, deadline = now() - interval '1 s'")  # noqa: S608
        )
        await connection.execute(
            text("UPDATE parts SET state = :part, lease_until = now() + interval '1 day'"),
            {"part": part},
        )
    await sweeper.sweep()
    job = await job_row(database, upload.job_id)
    assert (job["state"], job["problem"]["code"]) == ("failed", "deadline_exceeded")
    assert (job["waiting_for"], job["claim"]) == (None, None)


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
