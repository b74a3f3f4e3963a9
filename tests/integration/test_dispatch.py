"""The dispatcher: a few messages out, the rest waits in Postgres; lost messages come again."""

import asyncio

import pytest
from sqlalchemy import text

from services.ingest_worker.dispatch import FILES_A_MESSAGE, OUT_PER_SLOT, Dispatcher
from services.ingest_worker.messages import (
    CHUNK_JOB,
    EMBED_CHUNKS,
    PARSE_PARTS,
    MemoryPublisher,
)
from shared.database.engine import Database
from shared.settings import IngestSettings
from tests.support.seeds import seed_collection, seed_upload
from tests.support.waiting import until


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
def dispatcher(database: Database, publisher: MemoryPublisher) -> Dispatcher:
    return Dispatcher(
        database=database, publisher=publisher, settings=IngestSettings(slots=1, dispatch_s=30)
    )


async def test_no_more_is_out_than_the_slots_can_take(
    database: Database, dispatcher: Dispatcher, publisher: MemoryPublisher
) -> None:
    collection = await seed_collection(database)
    for number in range(OUT_PER_SLOT + 3):
        await seed_upload(database, collection, filename=f"{number}.txt")
    assert await dispatcher.dispatch() == OUT_PER_SLOT
    assert await dispatcher.dispatch() == 0
    assert {message.task for message in publisher.sent} == {PARSE_PARTS}
    assert publisher.sent[0].label == "0.txt part 1 of 1"


async def test_a_message_that_nobody_took_is_sent_again(
    database: Database, dispatcher: Dispatcher, publisher: MemoryPublisher
) -> None:
    await seed_upload(database, await seed_collection(database))
    await dispatcher.dispatch()
    async with database.worker() as connection:
        await connection.execute(text("UPDATE parts SET published_at = now() - interval '1 hour'"))
    await dispatcher.dispatch()
    assert [message.task for message in publisher.sent] == [PARSE_PARTS, PARSE_PARTS]


async def test_a_document_left_before_its_chunk_step_is_taken_up(
    database: Database, dispatcher: Dispatcher, publisher: MemoryPublisher
) -> None:
    await seed_upload(database, await seed_collection(database))
    async with database.worker() as connection:
        await connection.execute(text("UPDATE parts SET state = 'done'"))
        await connection.execute(
            text(
                "UPDATE jobs SET state = 'parsing', stage = 'chunk', parts_left = 0,"
                " updated_at = now() - interval '1 minute'"
            )
        )
    await dispatcher.dispatch()
    await dispatcher.dispatch()
    assert [message.task for message in publisher.sent] == [CHUNK_JOB]


async def test_queued_chunks_call_for_an_embedder(
    database: Database, dispatcher: Dispatcher, publisher: MemoryPublisher
) -> None:
    upload = await seed_upload(database, await seed_collection(database))
    async with database.worker() as connection:
        await connection.execute(
            text(
                "INSERT INTO chunks (id, tenant_id, index_id, document_id, version_id, ordinal,"
                " text, tokens, page_start, page_end, section, text_sha256) VALUES"
                " (:v, 'acme', :i, :d, :v, 0, 'a', 1, 1, 1, '{}', 'a')"
            ),
            {"i": upload.index_id, "d": upload.document_id, "v": upload.version_id},
        )
        await connection.execute(
            text(
                "INSERT INTO embed_queue (chunk_id, tenant_id, job_id, index_id, space, tokens)"
                " VALUES (:v, 'acme', :j, :i, 'fake/bytes', 1)"
            ),
            {"v": upload.version_id, "j": upload.job_id, "i": upload.index_id},
        )
    await dispatcher.dispatch()
    assert [message.task for message in publisher.sent if message.once] == [EMBED_CHUNKS]


async def test_a_woken_loop_dispatches_at_once(
    database: Database, dispatcher: Dispatcher, publisher: MemoryPublisher
) -> None:
    loop = asyncio.ensure_future(dispatcher.run())
    await asyncio.sleep(0.2)
    await seed_upload(database, await seed_collection(database))
    dispatcher.wake()
    await until(lambda: publisher.sent)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def seed_small(database: Database, files: int) -> None:
    collection = await seed_collection(database)
    for number in range(files):
        await seed_upload(database, collection, filename=f"{number}.txt")
    async with database.worker() as connection:
        await connection.execute(text("UPDATE parts SET alone = false"))


def sizes(publisher: MemoryPublisher) -> list[int]:
    return [len(message.arguments["parts"]) for message in publisher.sent]


async def test_small_files_go_several_to_a_message(
    database: Database, dispatcher: Dispatcher, publisher: MemoryPublisher
) -> None:
    await seed_small(database, FILES_A_MESSAGE + 2)
    assert await dispatcher.dispatch() == 2
    assert sizes(publisher) == [FILES_A_MESSAGE, 2]
    assert publisher.sent[0].label == f"0.txt and {FILES_A_MESSAGE - 1} more"


async def test_a_few_small_files_are_shared_out_among_the_slots(
    database: Database, publisher: MemoryPublisher
) -> None:
    await seed_small(database, 5)
    settings = IngestSettings(slots=2)
    await Dispatcher(database=database, publisher=publisher, settings=settings).dispatch()
    assert sizes(publisher) == [3, 2]
