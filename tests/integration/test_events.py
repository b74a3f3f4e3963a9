"""Events: none is skipped whatever order transactions end in, and none is read twice as long."""

from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.following.pruning import prune_events
from shared.database.engine import Database
from shared.database.events import Changes, Events, Position, Wanted
from shared.identity import new_id
from tests.support.seeds import Seeded, seed_collection, seed_upload

ADD = text("INSERT INTO events (tenant_id, batch_id, job_id, xid) VALUES ('acme', :b, :j, :x)")


@pytest.fixture
async def upload(database: Database) -> Seeded:
    return await seed_upload(database, await seed_collection(database))


async def head(database: Database) -> Position:
    async with database.worker() as connection:
        return await Events(connection).head()


async def note(connection: AsyncConnection, batch_id: UUID, job_id: UUID) -> None:
    row = {"id": job_id, "tenant_id": "acme", "batch_id": batch_id}
    await Events(connection).add_job_events([row])


async def changes(
    database: Database, batch_id: UUID, after: Position, *, whole: bool = False, most: int = 10
) -> Changes:
    async with database.worker() as connection:
        wanted = {batch_id: Wanted(after, whole=whole)}
        return (await Events(connection).changes(wanted, most=most))[batch_id]


def jobs_of(found: Changes) -> list[UUID]:
    return [change.job.id for change in found.changes if change.job is not None]


async def test_what_commits_out_of_order_is_never_skipped(database: Database) -> None:
    collection = await seed_collection(database)
    early, late = await seed_upload(database, collection), await seed_upload(database, collection)
    batch, begin = new_id(), await head(database)
    async with database.worker() as first:
        await note(first, batch, early.job_id)
        async with database.worker() as second:
            await note(second, batch, late.job_id)
        held_back = await changes(database, batch, begin)
        assert (held_back.changes, held_back.upto) == ([], begin)
        async with database.worker() as connection:
            assert await Events(connection).moved({batch: begin}) == [batch]
    found = await changes(database, batch, held_back.upto)
    assert jobs_of(found) == [early.job_id, late.job_id]
    assert (await changes(database, batch, found.upto)).changes == []


async def test_what_has_ended_is_read_whole_and_says_where_it_is_safe_to_go_on(
    database: Database, upload: Seeded
) -> None:
    begin = await head(database)
    async with database.worker() as unfinished:
        await note(unfinished, new_id(), upload.job_id)
        async with database.worker() as connection:
            await note(connection, upload.batch_id, upload.job_id)
        found = await changes(database, upload.batch_id, begin, whole=True)
        assert jobs_of(found) == [upload.job_id]
        assert (found.safe, found.upto > begin) == (begin, True)


async def test_positions_are_numbers_not_texts(database: Database) -> None:
    collection = await seed_collection(database)
    uploads = [await seed_upload(database, collection) for _ in range(2)]
    batch = new_id()
    async with database.worker() as connection:
        for upload, xid in zip(uploads, (9, 10), strict=True):
            await connection.execute(ADD, {"b": batch, "j": upload.job_id, "x": xid})
    found = await changes(database, batch, Position(9, 0, 0))
    assert jobs_of(found) == [upload.job_id for upload in uploads]
    first = found.changes[0].position
    assert jobs_of(await changes(database, batch, first)) == [uploads[1].job_id]


async def test_many_changes_of_one_job_are_told_once_as_it_is_now(
    database: Database, upload: Seeded
) -> None:
    begin = await head(database)
    for _ in range(3):
        async with database.worker() as connection:
            await connection.execute(text("UPDATE jobs SET revision = revision + 1"))
            await note(connection, upload.batch_id, upload.job_id)
    [change] = (await changes(database, upload.batch_id, begin)).changes
    assert change.job is not None
    assert change.job.revision == 3


async def test_a_limit_says_that_there_is_more_and_loses_none(
    database: Database, upload: Seeded
) -> None:
    begin, jobs = await head(database), [new_id() for _ in range(5)]
    async with database.worker() as connection:
        rows = [{"id": id_, "tenant_id": "acme", "batch_id": upload.batch_id} for id_ in jobs]
        await Events(connection).add_job_events(rows)
    first = await changes(database, upload.batch_id, begin, most=3)
    rest = await changes(database, upload.batch_id, first.upto, most=3)
    assert (len(first.changes), first.more) == (3, True)
    assert (len(rest.changes), rest.more) == (2, False)
    assert all(change.job is None for change in [*first.changes, *rest.changes])


async def test_any_number_of_events_is_one_statement(database: Database, upload: Seeded) -> None:
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    rows = [{"id": new_id(), "tenant_id": "acme", "batch_id": upload.batch_id}] * 500
    async with database.worker() as connection:
        event.listen(connection.sync_connection, "before_cursor_execute", count)
        await Events(connection).add_job_events(rows)
        await Events(connection).add_job_events([])
        await Events(connection).add_batch_event("acme", upload.batch_id)
        added = await connection.execute(text("SELECT count(*) FROM events"))
        assert added.scalar_one() == 501
    assert len(statements) == 3


async def test_old_events_go_in_slices_and_the_others_stay(
    database: Database, upload: Seeded
) -> None:
    rows = [{"id": upload.job_id, "tenant_id": "acme", "batch_id": upload.batch_id}]
    async with database.worker() as connection:
        await Events(connection).add_job_events(rows * 25)
        await connection.execute(text("UPDATE events SET created_at = now() - interval '8 days'"))
        await Events(connection).add_job_events(rows * 3)
    async with database.worker() as connection:
        assert await Events(connection).prune(days=7, most=10) == 10
    assert await prune_events(database, most=10) == 15
    assert await prune_events(database) == 0
    async with database.worker() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM events"))).scalar_one() == 3
