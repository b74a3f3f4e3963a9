"""A parked space: opened by failures in a row, tried by one at a time, taken up by an answer."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.database.embed_queue import EmbedQueue, Waiting
from shared.database.engine import Database
from shared.database.job_views import JobViews
from shared.database.parked_spaces import Outage, ParkedSpaces
from tests.integration.test_embed_queue import chunked, claim
from tests.support.seeds import FAKE_SPACE, Seeded, seed_collection, seed_upload

DOWN = Outage("provider", "embedding_unavailable", "It is down.")
REFUSED = Outage("operator", "quota_exceeded", "Nothing is left.", pause_s=30, at_once=True)


@pytest.fixture
async def upload(database: Database) -> Seeded:
    upload = await seed_upload(database, await seed_collection(database))
    await chunked(database, upload, ["one", "two"])
    return upload


async def failed(database: Database, outage: Outage = DOWN, *, trying: bool = False) -> bool:
    async with database.worker() as connection:
        return await ParkedSpaces(connection).failed(FAKE_SPACE, outage, trying=trying)


async def waiting(database: Database) -> Waiting | None:
    async with database.worker() as connection:
        return await EmbedQueue(connection).waiting(most=10)


async def pass_time(database: Database) -> None:
    async with database.worker() as connection:
        await connection.execute(text("UPDATE parked_spaces SET until = now()"))


async def left_s(database: Database) -> float:
    async with database.worker() as connection:
        found = await connection.execute(
            text("SELECT extract(epoch FROM until - now()) FROM parked_spaces")
        )
        return float(found.scalar_one())


async def shown(database: Database, job_id: UUID, tenant: str = "acme") -> dict[str, str]:
    async with database.tenant(tenant) as connection:
        row = await JobViews(connection).by_id(job_id)
    assert row is not None
    return dict(row.waiting_for or {})


async def test_the_third_failure_in_a_row_parks(database: Database, upload: Seeded) -> None:
    assert not await failed(database)
    assert not await failed(database)
    found = await waiting(database)
    assert found is not None
    assert (found.failing, found.parked) == (True, False)
    assert await failed(database)
    assert await waiting(database) is None
    async with database.worker() as connection:
        assert await EmbedQueue(connection).ready(most=5) == 0


async def test_an_operators_failure_parks_at_once(database: Database, upload: Seeded) -> None:
    assert await failed(database, REFUSED)
    assert await left_s(database) == pytest.approx(30, abs=1)


async def test_failures_under_way_prolong_nothing_but_a_try_does(
    database: Database, upload: Seeded
) -> None:
    for _ in range(3):
        await failed(database)
    first = await left_s(database)
    assert first <= 1
    assert await failed(database)
    assert await left_s(database) <= 1
    pauses = []
    for _ in range(8):
        assert await failed(database, trying=True)
        pauses.append(round(await left_s(database)))
    assert pauses == [2, 4, 8, 15, 15, 15, 15, 15]


async def test_only_one_may_try(database: Database, upload: Seeded) -> None:
    await failed(database, REFUSED)
    await pass_time(database)
    found = await waiting(database)
    assert found is not None
    assert found.parked

    async def try_one() -> bool:
        async with database.worker() as connection:
            return await ParkedSpaces(connection).try_one(FAKE_SPACE, hold_s=15)

    assert sum(await asyncio.gather(*(try_one() for _ in range(5)))) == 1
    assert await waiting(database) is None


async def test_a_right_to_try_that_is_given_back_is_the_next_ones(
    database: Database, upload: Seeded
) -> None:
    await failed(database, REFUSED)
    async with database.worker() as connection:
        await ParkedSpaces(connection).let_try(FAKE_SPACE)
    assert await waiting(database) is not None


async def test_a_right_to_try_is_held_as_long_as_it_is_renewed(
    database: Database, upload: Seeded
) -> None:
    await failed(database, Outage("provider", "x", "y", pause_s=1, at_once=True))
    async with database.worker() as connection:
        await ParkedSpaces(connection).hold(FAKE_SPACE, hold_s=15)
    assert await left_s(database) > 10


async def test_an_answer_takes_the_space_up_again(database: Database, upload: Seeded) -> None:
    await failed(database, REFUSED)
    async with database.worker() as connection:
        await ParkedSpaces(connection).clear(FAKE_SPACE)
    assert (await claim(database))[1]
    assert await shown(database, upload.job_id) == {}


async def test_every_job_of_the_space_says_so_by_one_row(
    database: Database, upload: Seeded
) -> None:
    other = await seed_upload(database, await seed_collection(database, "other"), tenant_id="other")
    await chunked(database, other, ["three"])
    await failed(database, REFUSED)
    for job_id, tenant in ((upload.job_id, "acme"), (other.job_id, "other")):
        told = await shown(database, job_id, tenant)
        assert (told["kind"], told["code"]) == ("operator", "quota_exceeded")
        assert told["detail"] == "Nothing is left."
        assert told["until"].endswith("Z")


async def test_other_spaces_go_on(database: Database, upload: Seeded) -> None:
    await failed(database, REFUSED)
    async with database.worker() as connection:
        await connection.execute(
            text(
                "UPDATE embed_queue SET space = 'local/x'"
                " WHERE seq = (SELECT max(seq) FROM embed_queue)"
            )
        )
    found = await waiting(database)
    assert found == Waiting("local/x", failing=False, parked=False, chunks=1, tokens=3)
