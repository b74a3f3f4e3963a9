"""Transactions on a Postgres that stops answering without going away."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.database.engine import Database, build_database
from shared.database.migrate import migrate
from shared.errors import DatabaseUnavailable
from shared.settings import DatabaseSettings
from tests.support.postgres import start_postgres

GIVEN_UP_WITHIN_S = 2.0


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
            await connection.execute(
                text("INSERT INTO sweeps (name, tenant_id, swept_at) VALUES ('no', '', now())")
            )
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    async with own.worker() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM sweeps"))).scalar_one() == 0
