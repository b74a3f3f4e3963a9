"""The process's one poller: who waits costs nothing more, who is slow holds up nobody."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from services.ingest_worker.following.feed import KEPT, Feed, Follower
from services.ingest_worker.following.waiting import Patience, Waiting
from shared.database.engine import Database
from shared.database.events import Events, Position
from shared.database.jobs import Jobs
from shared.errors import DeadlineExceeded
from shared.problems import problem_of
from tests.support.postgres import cut_connections
from tests.support.seeds import Seeded, seed_collection, seed_upload

QUICK_S = 0.02


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    feed = Feed(database, every_s=QUICK_S)
    yield feed
    await feed.aclose()


@pytest.fixture
async def upload(database: Database) -> Seeded:
    return await seed_upload(database, await seed_collection(database))


async def head(database: Database) -> Position:
    async with database.worker() as connection:
        return await Events(connection).head()


async def touch(database: Database, upload: Seeded) -> None:
    async with database.worker() as connection:
        await Jobs(connection).start([upload.job_id])
        await Jobs(connection).plan(upload.job_id, parts=1, pages=1)


async def end(database: Database, upload: Seeded) -> None:
    async with database.worker() as connection:
        assert await Jobs(connection).fail(upload.job_id, problem_of(DeadlineExceeded()))


async def jobs_seen(follower: Follower) -> list[str]:
    look = await follower.next(within_s=5)
    assert look is not None
    return [change.job.state for change in look.changes if change.job is not None]


@contextmanager
def counted(word: str) -> Iterator[list[str]]:
    """Count the statements of every connection that hold a word."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if word in statement:
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_what_is_read_once_is_handed_to_all(
    database: Database, feed: Feed, upload: Seeded
) -> None:
    begin = await head(database)
    with (
        counted("DISTINCT ON (e.batch_id") as reads,
        feed.follow(upload.batch_id, begin) as one,
        feed.follow(upload.batch_id, begin) as other,
    ):
        await touch(database, upload)
        assert await jobs_seen(one) == await jobs_seen(other) == ["parsing"]
        assert len(reads) == 1


async def test_nobody_waiting_costs_nothing(database: Database, feed: Feed, upload: Seeded) -> None:
    with feed.follow(upload.batch_id, await head(database)):
        pass
    await asyncio.sleep(5 * QUICK_S)
    with counted("events") as reads:
        await asyncio.sleep(5 * QUICK_S)
    assert reads == []
    assert feed.followed == 0


async def test_a_slow_follower_keeps_little_and_can_tell_what_it_missed(
    database: Database, feed: Feed, upload: Seeded
) -> None:
    begin = await head(database)
    with feed.follow(upload.batch_id, begin) as slow, feed.follow(upload.batch_id, begin) as quick:
        for _ in range(KEPT + 3):
            await touch(database, upload)
            assert await jobs_seen(quick) == ["parsing"]
        kept = [await slow.next(within_s=0) for _ in range(KEPT)]
        assert await slow.next(within_s=0) is None
    assert kept[0] is not None
    assert kept[0].after > begin


async def test_a_thousand_waiting_callers_cost_one_statement_a_look(
    database: Database, feed: Feed, upload: Seeded
) -> None:
    with counted("revision FROM jobs WHERE id = ANY") as reads:
        with ExitStack() as stack:
            woken = [
                stack.enter_context(feed.watch(upload.job_id, lambda now: now != ("queued", 0)))
                for _ in range(1000)
            ]
            await asyncio.sleep(10 * QUICK_S)
            assert not any(one.is_set() for one in woken)
            await touch(database, upload)
            await asyncio.gather(*(asyncio.wait_for(one.wait(), 5) for one in woken))
        assert 1 < len(reads) < 40


async def test_a_batch_is_waited_for_until_it_moved_or_ended(
    database: Database, feed: Feed, upload: Seeded
) -> None:
    waiting = Waiting(database, feed)

    async def wait(since: int | None, seconds: float = 20) -> float:
        begun = time.monotonic()
        patience = Patience(since=since, seconds=seconds, gone=nobody_leaves)
        await waiting.for_batch("acme", upload.batch_id, patience)
        return time.monotonic() - begun

    assert await wait(99) < 2
    assert 0.2 < await wait(1, 0.2) < 2
    moved = asyncio.create_task(wait(1))
    ended = asyncio.create_task(wait(None))
    await asyncio.sleep(0.1)
    await touch(database, upload)
    assert await moved < 5
    assert not ended.done()
    await end(database, upload)
    assert await ended < 5
    assert await wait(None) < 2


async def test_a_caller_who_left_is_not_waited_for(
    database: Database, feed: Feed, upload: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest_worker.following.waiting.GONE_EVERY_S", 0.05)

    async def gone() -> bool:
        return True

    patience = Patience(since=None, seconds=30, gone=gone)
    async with asyncio.timeout(5):
        await Waiting(database, feed).for_job("acme", upload.job_id, patience)
        await Waiting(database, feed).for_batch("acme", upload.batch_id, patience)


async def test_when_the_process_ends_nobody_is_kept(
    database: Database, feed: Feed, upload: Seeded
) -> None:
    waiting = Waiting(database, feed)
    patience = Patience(since=None, seconds=60, gone=nobody_leaves)
    kept = [
        asyncio.create_task(waiting.for_job("acme", upload.job_id, patience)),
        asyncio.create_task(waiting.for_batch("acme", upload.batch_id, patience)),
    ]
    await asyncio.sleep(0.2)
    feed.stop()
    async with asyncio.timeout(3):
        await asyncio.gather(*kept)
        await waiting.for_job("acme", upload.job_id, patience)


async def test_after_a_cut_connection_it_looks_again(
    database: Database, database_url: str, feed: Feed, upload: Seeded
) -> None:
    with feed.follow(upload.batch_id, await head(database)) as follower:
        await asyncio.sleep(3 * QUICK_S)
        await cut_connections(database_url)
        await touch(database, upload)
        assert await jobs_seen(follower) == ["parsing"]


async def nobody_leaves() -> bool:
    return False
