"""The embed queue and completion: counted down once, flipped once, never to an older version."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.database.chunks import Chunks, NewChunk, Owner, TargetIndex
from shared.database.embed_queue import EmbedQueue, Paid, QueuedChunk
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import Parts
from shared.errors import NoTextFound
from shared.identity import new_id
from shared.models import Chunk
from shared.problems import problem_of
from tests.support.seeds import (
    FAKE_SPACE,
    Seeded,
    job_row,
    live_version,
    seed_collection,
    seed_upload,
)

Collection = tuple[UUID, UUID]


@pytest.fixture
async def collection(database: Database) -> Collection:
    return await seed_collection(database)


async def chunked(database: Database, upload: Seeded, texts: list[str]) -> None:
    """Bring an upload to where its chunks wait to be embedded."""
    owner = Owner(upload.tenant_id, upload.job_id, upload.document_id, upload.version_id)
    index = TargetIndex(upload.collection_id, upload.index_id, FAKE_SPACE, ready=True)
    made = [
        Chunk(ordinal=n, text=words, tokens=len(words), page_start=1, page_end=1)
        for n, words in enumerate(texts)
    ]
    async with database.worker() as connection:
        jobs, parts = Jobs(connection), Parts(connection)
        [part] = await parts.claim([upload.part], claim=new_id(), lease_s=15)
        await jobs.start([upload.job_id])
        await parts.finish(part, elements=b"", warnings="[]")
        assert await jobs.count_part(upload.job_id, pages=1, ms=1) == 0
        job = await jobs.claim_chunking(upload.job_id, claim=new_id(), lease_s=15)
        assert job is not None
        await Chunks(connection).clear([upload.version_id])
        count = await Chunks(connection).queue(NewChunk(owner, index, chunk) for chunk in made)
        assert await jobs.start_embedding(job, chunks=count, warnings=[], ms=1)


async def claim(
    database: Database, *, inputs: int = 100, tokens: int = 1000, lease_s: float = 15
) -> tuple[UUID, list[QueuedChunk]]:
    claim = new_id()
    async with database.worker() as connection:
        return claim, await EmbedQueue(connection).claim(
            FAKE_SPACE, claim=claim, inputs=inputs, tokens=tokens, lease_s=lease_s
        )


async def complete(database: Database, claim: UUID, done: list[QueuedChunk]) -> None:
    paid = {chunk.job_id: Paid(tokens=1, calls=1) for chunk in done}
    async with database.worker() as connection:
        await EmbedQueue(connection).complete(claim, done, paid, grace_s=0)


async def tombstones(database: Database) -> list[UUID]:
    async with database.worker() as connection:
        return list((await connection.execute(text("SELECT version_id FROM tombstones"))).scalars())


async def test_a_claim_takes_no_more_inputs_or_tokens_than_asked(
    database: Database, collection: Collection
) -> None:
    await chunked(database, await seed_upload(database, collection), ["a" * 10] * 6)
    assert len((await claim(database, inputs=2))[1]) == 2
    assert len((await claim(database, tokens=25))[1]) == 2
    assert len((await claim(database, tokens=5))[1]) == 1


async def test_two_claims_never_share_a_chunk(database: Database, collection: Collection) -> None:
    await chunked(database, await seed_upload(database, collection), ["words"] * 40)
    claims = await asyncio.gather(*(claim(database, inputs=15) for _ in range(4)))
    taken = [chunk.chunk_id for _, batch in claims for chunk in batch]
    assert len(taken) == len(set(taken)) == 40


async def test_the_last_chunk_makes_the_version_live(
    database: Database, collection: Collection
) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one", "two"])
    first, one = await claim(database, inputs=1)
    await complete(database, first, one)
    assert await live_version(database, upload.document_id) is None
    second, two = await claim(database)
    await complete(database, second, two)
    job = await job_row(database, upload.job_id)
    assert (job["state"], job["chunks_left"]) == ("succeeded", 0)
    assert (job["stage"], job["stage_at"]) == ("index", job["finished_at"])
    assert job["usage"] == {"tokens": 2, "provider_calls": 2, "cached": 0}
    assert await live_version(database, upload.document_id) == 1


async def test_completing_twice_counts_once(database: Database, collection: Collection) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one", "two"])
    held, batch = await claim(database, inputs=1)
    await complete(database, held, batch)
    await complete(database, held, batch)
    assert (await job_row(database, upload.job_id))["chunks_left"] == 1


async def test_a_late_claim_counts_nothing(database: Database, collection: Collection) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one"])
    late, batch = await claim(database, lease_s=0)
    taken, again = await claim(database)
    await complete(database, late, batch)
    assert (await job_row(database, upload.job_id))["chunks_left"] == 1
    await complete(database, taken, again)
    assert (await job_row(database, upload.job_id))["state"] == "succeeded"


async def test_an_older_version_never_replaces_a_newer_one(
    database: Database, collection: Collection
) -> None:
    first = await seed_upload(database, collection)
    second = await seed_upload(
        database, collection, document_id=first.document_id, version=2, filename="a.txt"
    )
    await chunked(database, first, ["old"])
    old, old_batch = await claim(database)
    await chunked(database, second, ["new"])
    new, new_batch = await claim(database)
    await complete(database, new, new_batch)
    await complete(database, old, old_batch)
    assert await live_version(database, first.document_id) == 2
    late = await job_row(database, first.job_id)
    assert late["state"] == "succeeded_with_warnings"
    assert late["warnings"][0]["code"] == "superseded"
    assert await tombstones(database) == [first.version_id]


async def test_a_new_version_buries_the_one_before(
    database: Database, collection: Collection
) -> None:
    first = await seed_upload(database, collection)
    await chunked(database, first, ["old"])
    await complete(database, *await claim(database))
    second = await seed_upload(database, collection, document_id=first.document_id, version=2)
    await chunked(database, second, ["new"])
    assert await tombstones(database) == []
    await complete(database, *await claim(database))
    assert await live_version(database, first.document_id) == 2
    assert await tombstones(database) == [first.version_id]


async def test_a_deleted_document_stays_deleted(database: Database, collection: Collection) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one"])
    held, batch = await claim(database)
    async with database.worker() as connection:
        await connection.execute(text("UPDATE documents SET deleted_at = now()"))
    await complete(database, held, batch)
    assert await live_version(database, upload.document_id) is None
    assert await tombstones(database) == [upload.version_id]


async def test_cancelling_empties_the_queue_and_buries_what_was_written(
    database: Database, collection: Collection
) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one"])
    async with database.worker() as connection:
        await Jobs(connection).cancel([upload.job_id], grace_s=0)
    assert (await claim(database))[1] == []
    assert await tombstones(database) == [upload.version_id]


async def test_failing_keeps_the_problem_and_empties_the_queue(
    database: Database, collection: Collection
) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one"])
    async with database.worker() as connection:
        assert await Jobs(connection).fail(upload.job_id, problem_of(NoTextFound()))
        assert not await Jobs(connection).fail(upload.job_id, problem_of(NoTextFound()))
    job = await job_row(database, upload.job_id)
    assert job["problem"]["code"] == "no_text_found"
    assert (await claim(database))[1] == []


async def test_a_job_with_nothing_queued_is_finished_by_the_sweep(
    database: Database, collection: Collection
) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one"])
    async with database.worker() as connection:
        await connection.execute(text("DELETE FROM embed_queue"))
    async with database.worker() as connection:
        assert await EmbedQueue(connection).finish_forgotten(after_s=0, grace_s=0) == 1
    assert await live_version(database, upload.document_id) == 1


async def test_equal_texts_are_found_once_their_point_is_written(
    database: Database, collection: Collection
) -> None:
    await chunked(database, await seed_upload(database, collection), ["same words"])
    held, batch = await claim(database)
    hashes = [bytes(chunk.text_sha256) for chunk in batch]

    async def twins(tenant: str) -> list[bytes]:
        async with database.worker() as connection:
            return list(await Chunks(connection).twins(tenant, FAKE_SPACE, hashes))

    assert await twins("acme") == []
    await complete(database, held, batch)
    assert await twins("acme") == hashes
    assert await twins("other") == []


async def test_released_chunks_wait_and_expired_ones_come_back(
    database: Database, collection: Collection
) -> None:
    await chunked(database, await seed_upload(database, collection), ["one"])
    held, batch = await claim(database)
    async with database.worker() as connection:
        queue = EmbedQueue(connection)
        assert await queue.renew(held, lease_s=0) == 1
    async with database.worker() as connection:
        queue = EmbedQueue(connection)
        assert await queue.expire() == 1
        assert await queue.ready(most=5) == 1
    held, batch = await claim(database)
    async with database.worker() as connection:
        queue = EmbedQueue(connection)
        await queue.release(held, [batch[0].chunk_id], delay_s=60)
        assert await queue.ready(most=5) == 0


async def test_every_transition_leaves_an_event(database: Database, collection: Collection) -> None:
    upload = await seed_upload(database, collection)
    await chunked(database, upload, ["one"])
    await complete(database, *await claim(database))
    async with database.worker() as connection:
        rows = await connection.execute(text("SELECT batch_id, job_id FROM events"))
        assert list(rows) == [(upload.batch_id, upload.job_id)] * 4
