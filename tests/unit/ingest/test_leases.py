"""Work under a lease: renewed while it runs, stopped when the lease is lost."""

import asyncio

import pytest

from services.ingest_worker.leases import LeaseLost, while_leased
from shared.errors import DatabaseUnavailable, FileCorrupt, StageTimedOut

EVERY_S = 0.01


async def slow(log: list[str]) -> str:
    try:
        await asyncio.sleep(EVERY_S * 8)
    except asyncio.CancelledError:
        log.append("stopped")
        raise
    return "done"


async def test_the_lease_is_renewed_until_the_work_is_done() -> None:
    renewals: list[int] = []

    async def renew() -> bool:
        renewals.append(1)
        return True

    assert await while_leased(slow([]), renew, every_s=EVERY_S) == "done"
    assert len(renewals) >= 2


async def test_a_lost_lease_stops_the_work() -> None:
    log: list[str] = []

    async def renew() -> bool:
        return False

    with pytest.raises(LeaseLost):
        await while_leased(slow(log), renew, every_s=EVERY_S)
    assert log == ["stopped"]


async def test_work_that_hangs_loses_its_lease_and_is_stopped() -> None:
    log: list[str] = []

    async def renew() -> bool:
        return True

    with pytest.raises(StageTimedOut, match=r"longer than 0\.02 s"):
        await while_leased(slow(log), renew, every_s=60, limit_s=0.02)
    assert log == ["stopped"]


async def test_a_database_that_does_not_answer_stops_nothing() -> None:
    async def renew() -> bool:
        raise DatabaseUnavailable

    assert await while_leased(slow([]), renew, every_s=EVERY_S) == "done"


async def test_an_error_of_the_work_comes_through() -> None:
    async def work() -> str:
        raise FileCorrupt

    async def renew() -> bool:
        return True

    with pytest.raises(FileCorrupt):
        await while_leased(work(), renew, every_s=EVERY_S)


async def test_cancelling_the_caller_stops_the_work() -> None:
    log: list[str] = []

    async def renew() -> bool:
        return True

    task = asyncio.ensure_future(while_leased(slow(log), renew, every_s=EVERY_S))
    await asyncio.sleep(EVERY_S * 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["stopped"]
