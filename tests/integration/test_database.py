"""Transactions on a Postgres that stops answering without going away."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from shared.database.engine import Database, build_database
from shared.database.migrate import migrate
from shared.errors import DatabaseUnavailable
from shared.settings import DatabaseSettings
from tests.support.postgres import start_postgres

GIVEN_UP_WITHIN_S = 2.0
WRITE = text("INSERT INTO sweeps (name, tenant_id, swept_at) VALUES (:name, '', now())")
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = %(name)s AND pid <> pg_backend_pid()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frozen")


@pytest.fixture(scope="module")
def own_url(folder: Path) -> Iterator[str]:
    with start_postgres(folder) as url:
        migrate(url)
        yield url


@pytest.fixture
async def own(own_url: str) -> AsyncIterator[Database]:
    database = build_database(DatabaseSettings(url=own_url, pool_size=2, pool_overflow=0))
    yield database
    await database.aclose()


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Stop the server and every process of it, as a paused machine would."""
    [lock] = folder.rglob("postmaster.pid")
    server = int(lock.read_text().splitlines()[0])
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    pids = [server, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def answers(database: Database) -> bool:
    async with database.tenant("acme") as connection:
        return bool((await connection.execute(text("SELECT true"))).scalar_one())


async def test_a_frozen_postgres_is_given_up_in_time_and_used_again_once_it_thaws(
    own: Database, folder: Path
) -> None:
    assert await answers(own)
    with frozen(folder):
        # More often than the pool has connections.
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await answers(own)
            assert time.monotonic() - began < GIVEN_UP_WITHIN_S
    assert await answers(own)
    assert await answers(own)


async def test_what_fails_inside_a_transaction_is_rolled_back(own: Database) -> None:
    async def write_and_fail() -> None:
        async with own.worker() as connection:
            await connection.execute(WRITE, {"name": "no"})
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    async with own.worker() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM sweeps"))).scalar_one() == 0


async def test_a_transaction_cut_by_force_is_an_error_or_done_and_never_half(
    database: Database, database_url: str, postgres_url: str
) -> None:
    async def count_up(number: int) -> bool:
        try:
            async with database.worker() as connection:
                for step in range(2):
                    await connection.execute(WRITE, {"name": f"{number}-{step}"})
                    await asyncio.sleep(0.02)
        except DatabaseUnavailable:
            return False
        return True

    name = database_url.rpartition("/")[2]
    done: list[int] = []
    for first in range(0, 60, 6):
        numbers = range(first, first + 6)
        work = asyncio.gather(*map(count_up, numbers))
        if first % 12:
            await asyncio.sleep(0.02)
            async with await psycopg.AsyncConnection.connect(postgres_url) as cutter:
                await cutter.execute(CUT, {"name": name})
        done += [number for number, ended in zip(numbers, await work, strict=True) if ended]
    assert 0 < len(done) < 60
    async with database.worker() as connection:
        found = list((await connection.execute(text("SELECT name FROM sweeps"))).scalars())
    # Cut while it committed, a transaction may be done and yet be told as an error.
    assert set(found) >= {f"{number}-{step}" for number in done for step in range(2)}
    assert Counter(name.partition("-")[0] for name in found).keys() <= set(map(str, range(60)))
    assert set(Counter(name.partition("-")[0] for name in found).values()) == {2}
