"""A reindex while work goes on: uploads, deletions, deaths, failures; nothing is lost or left."""

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.ingest_worker.dispatch import Dispatcher
from services.ingest_worker.jobs import recut
from services.ingest_worker.jobs.recut import RecutStep
from services.ingest_worker.upkeep.deletion import bury
from shared.database import reindex_slices
from shared.database.chunks import Chunks, NewChunk
from shared.database.engine import Database
from shared.database.parked_spaces import Outage, ParkedSpaces
from shared.database.reindex_slices import CutSlice, ReindexSlices
from shared.identity import new_id
from tests.faults.kit.corpus import long_pdf
from tests.integration.test_ingest_api_deletion import let_the_grace_pass, run
from tests.integration.test_reindex import count, send, state
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.reindexing import FILES, OTHER_SPACE, Reindexing
from tests.support.workers import Workers, working


async def provider_is_back(reindexing: Reindexing) -> None:
    reindexing.workers.embedder.failure = None
    await run(reindexing.database, "UPDATE embed_queue SET not_before = now()")
    await run(reindexing.database, "DELETE FROM parked_spaces")


async def test_a_version_that_goes_live_meanwhile_is_in_both(reindexing: Reindexing) -> None:
    old = await reindexing.active()
    # One upload is being embedded, cut for the one index there was; one comes later.
    reindexing.workers.embedder.fails_after(0)
    early = await send(reindexing, "early.txt", "Cut before there was a second index.")
    await reindexing.work()
    assert await state(reindexing, early["job_id"]) == "embedding"
    await reindexing.begin(space=OTHER_SPACE)
    late = await send(reindexing, "late.txt", "Cut while there were two.")
    replaced = await send(reindexing, "0.txt", "A newer text of a known name.")
    await provider_is_back(reindexing)
    await reindexing.work()
    filled = await reindexing.go_on()
    assert (filled["state"], filled["missing"]) == ("ready", 0)
    for job in (early, late, replaced):
        assert await state(reindexing, job["job_id"]) == "succeeded"
    live = """
        SELECT count(*) FROM chunks c JOIN versions v ON v.id = c.version_id
        JOIN documents d ON d.id = c.document_id AND d.live_version = v.number
        WHERE c.index_id = :id
    """
    for index_id in (old, await reindexing.newest()):
        assert await reindexing.one(live, id=index_id) == FILES + 2
    assert await reindexing.one("SELECT count(*) FROM jobs WHERE chunks_left <> 0") == 0
    assert await reindexing.well()


async def test_what_is_deleted_meanwhile_leaves_nothing(reindexing: Reindexing) -> None:
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    await reindexing.workers.recut()
    listed = (await reindexing.api.client.get("/v1/documents?collection=papers")).json()["items"]
    first, second, *_ = [item["id"] for item in listed]
    # One before its chunks are embedded, one after.
    assert (await reindexing.api.client.delete(f"/v1/documents/{first}")).status_code == 204
    assert (await reindexing.go_on())["state"] == "ready"
    assert (await reindexing.api.client.delete(f"/v1/documents/{second}")).status_code == 204
    await let_the_grace_pass(reindexing.database)
    await bury(reindexing.database, reindexing.api.vectors, reindexing.api.context.blobs, grace_s=0)
    for index_id in (await reindexing.active(), await reindexing.newest()):
        assert await count(reindexing, index_id) == (FILES - 2, FILES - 2)
    assert await reindexing.well()


async def test_what_was_cut_for_the_indexes_of_before_is_cut_again(
    reindexing: Reindexing, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, begun = Chunks.hold_indexes, list[dict[str, Any]]()

    async def hold_after_begin(chunks: Chunks, *args: Any) -> bool:
        # Just before the write: whoever begins now waits for no one.
        if not begun:
            begun.append(await reindexing.begin(space=OTHER_SPACE))
        return await held(chunks, *args)

    monkeypatch.setattr(Chunks, "hold_indexes", hold_after_begin)
    small = await send(reindexing, "small.txt", "Read whole, in one part.")
    await reindexing.work()
    monkeypatch.setattr(Chunks, "hold_indexes", held)
    assert await state(reindexing, small["job_id"]) == "succeeded"
    both = "SELECT count(DISTINCT index_id) FROM chunks WHERE document_id = :id"
    assert await reindexing.one(both, id=UUID(small["document_id"])) == 2
    assert (await reindexing.go_on())["missing"] == 0


async def test_whoever_begins_waits_for_those_who_write(reindexing: Reindexing) -> None:
    async with reindexing.database.worker() as connection:
        chunks = Chunks(connection)
        collection = await reindexing.one("SELECT id FROM collections WHERE name = 'papers'")
        assert await chunks.hold_indexes([collection], await chunks.indexes([collection]))
        beginning = asyncio.create_task(reindexing.begin(space=OTHER_SPACE))
        await asyncio.sleep(0.3)
        assert not beginning.done()
        assert len(await chunks.indexes([collection])) == 1
    assert (await beginning)["stage"] == "preparing"


async def test_giving_up_ends_the_jobs_that_waited_for_the_new_index(
    reindexing: Reindexing,
) -> None:
    old = await reindexing.active()
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    job = await send(reindexing, "under-way.txt", "Cut for both indexes.")
    reindexing.workers.embedder.fails_after(0)
    await reindexing.work()
    # The old index has its point; the new one's waits for a provider that is down.
    await provider_is_back(reindexing)
    await run(
        reindexing.database,
        "UPDATE embed_queue SET not_before = now() + interval '1 h' WHERE index_id <> :id",
        id=old,
    )
    await reindexing.workers.embed()
    assert await state(reindexing, job["job_id"]) == "embedding"
    new = await reindexing.newest()
    assert (await reindexing.do("finish"))["answers"] == "old"
    later = await send(reindexing, "later.txt", "Cut for the one that stays.")
    await reindexing.work()
    assert (await reindexing.go_on())["state"] == "done"
    for sent in (job, later):
        assert await state(reindexing, sent["job_id"]) == "succeeded"
    assert await count(reindexing, new) == (0, 0)
    assert await count(reindexing, old) == (FILES + 2, FILES + 2)
    assert await reindexing.one("SELECT count(*) FROM embed_queue") == 0
    assert await reindexing.well()


async def test_an_index_that_just_answered_is_not_dropped_under_a_query(
    reindexing: Reindexing,
) -> None:
    old = await reindexing.active()
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.go_on()
    await reindexing.do("switch")
    await reindexing.do("finish")
    assert not await reindexing.step(grace_s=60)
    assert await count(reindexing, old) == (FILES, FILES)
    # Its rows go next, and its row only when no paused worker can write to it any more.
    await run(reindexing.database, "UPDATE reindexes SET moved_at = now() - interval '2 min'")
    assert await reindexing.step(grace_s=60)
    assert not await reindexing.step(grace_s=60)
    assert await count(reindexing, old) == (0, 0)
    assert (await reindexing.shown())["state"] == "removing"
    await reindexing.api.vectors.create_index(old, dimensions=256)
    assert (await reindexing.go_on())["state"] == "done"


async def test_killed_while_cutting_another_goes_on(
    reindexing: Reindexing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recut, "CHUNKS_A_SLICE", 2)
    begun = await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    await reindexing.workers.recut(slices=1)
    assert (await reindexing.shown())["documents"]["done"] == 2
    async with reindexing.database.worker() as connection:
        claimed = await ReindexSlices(connection).claim(
            UUID(begun["id"]), claim=new_id(), lease_s=15
        )
    assert claimed is not None
    assert await reindexing.workers.recut() == []
    await run(reindexing.database, "UPDATE reindexes SET lease_until = now() - interval '1 s'")
    assert (await reindexing.go_on())["missing"] == 0
    # Who was paused all that time writes nothing.
    async with reindexing.database.worker() as connection:
        nothing = CutSlice(UUID(int=1), 1, {}, [], [])
        assert not await ReindexSlices(connection).write(claimed, nothing)
    assert await count(reindexing, await reindexing.newest()) == (FILES, FILES)


async def test_a_text_that_is_refused_is_told_and_does_not_hold_up_the_rest(
    reindexing: Reindexing,
) -> None:
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    await reindexing.workers.recut()
    refused = "DELETE FROM embed_queue WHERE chunk_id IN (SELECT chunk_id FROM embed_queue LIMIT 1)"
    await run(reindexing.database, refused)
    await reindexing.workers.embed()
    # Left out once, it is tried once more.
    assert (await reindexing.go_on())["missing"] == 0
    await reindexing.do("finish")
    await reindexing.go_on()

    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    await reindexing.workers.recut()
    await run(reindexing.database, refused)
    await reindexing.workers.embed()
    while (await reindexing.shown())["stage"] != "mending":
        await reindexing.step()
    await run(reindexing.database, refused)
    shown = await reindexing.go_on()
    assert (shown["state"], shown["missing"]) == ("ready", 1)
    answer = await reindexing.post("switch")
    assert (answer.status_code, "lacks 1 chunks" in answer.text) == (409, True)
    assert (await reindexing.do("switch", accept_missing=True))["state"] == "switched"


async def test_a_document_that_cannot_be_cut_is_told(reindexing: Reindexing) -> None:
    await run(
        reindexing.database,
        "UPDATE parts SET elements = 'spoilt' WHERE version_id = (SELECT min(id::text)::uuid"
        " FROM versions)",
    )
    await reindexing.begin(space=OTHER_SPACE)
    shown = await reindexing.go_on()
    assert (shown["state"], shown["missing"]) == ("ready", 1)
    assert len(shown["problems"]) == 1
    assert shown["problems"][0]["detail"] in (await reindexing.post("switch")).json()["detail"]


async def test_a_rebuild_and_a_reindex_do_not_disturb_each_other(reindexing: Reindexing) -> None:
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.go_on()
    new = await reindexing.newest()
    await reindexing.api.vectors.drop_index(new)
    rebuild = {"collection": "papers"}
    assert (await reindexing.api.client.post("/v1/admin/rebuild", json=rebuild)).status_code == 202
    refused = await reindexing.post("switch")
    assert (refused.status_code, "rebuilt" in refused.text) == (409, True)
    await run(reindexing.database, "UPDATE rebuilds SET finished_at = now()")
    await reindexing.do("finish")
    assert (await reindexing.go_on())["state"] == "done"
    await run(reindexing.database, "UPDATE rebuilds SET finished_at = NULL")
    assert (await reindexing.post(space=OTHER_SPACE)).status_code == 409


async def test_a_deleted_collection_takes_its_reindex_along(reindexing: Reindexing) -> None:
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    new = await reindexing.newest()
    assert (await reindexing.api.client.delete("/v1/collections/papers")).status_code == 204
    assert not await reindexing.step()
    assert await reindexing.workers.recut() == []
    for _ in range(3):
        await let_the_grace_pass(reindexing.database)
        await bury(
            reindexing.database, reindexing.api.vectors, reindexing.api.context.blobs, grace_s=0
        )
    assert await reindexing.one("SELECT count(*) FROM reindexes") == 0
    assert await reindexing.api.vectors.count(new) == 0


async def test_uploads_go_before_a_reindex(reindexing: Reindexing) -> None:
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    sent = reindexing.api.publisher.sent
    dispatcher = Dispatcher(
        database=reindexing.database,
        publisher=reindexing.api.publisher,
        settings=reindexing.api.context.settings.ingest,
    )
    await send(reindexing, "new.txt", "Just come in.")
    await dispatcher.dispatch()
    assert [message.task for message in sent] == ["parse_parts"]
    sent.clear()
    await dispatcher.dispatch()
    assert [message.task for message in sent] == ["recut_documents"]
    sent.clear()
    await dispatcher.dispatch()
    assert sent == []
    # In the embed queue too.
    await reindexing.workers.recut()
    await run(reindexing.database, "UPDATE reindexes SET published_at = NULL")
    await reindexing.workers.recut()
    behind = "SELECT count(*) FROM embed_queue WHERE seq >= 4611686018427387904"
    assert await reindexing.one(behind) == FILES


async def test_a_provider_that_does_not_embed_is_told(reindexing: Reindexing) -> None:
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    await reindexing.workers.recut()
    assert (await reindexing.shown())["waiting_for"] is None
    async with reindexing.database.worker() as connection:
        outage = Outage("operator", "embedding_unavailable", "No key is set.", 30, at_once=True)
        await ParkedSpaces(connection).failed(OTHER_SPACE, outage, trying=False)
    shown = await reindexing.shown()
    assert (shown["waiting_for"]["kind"], shown["waiting_for"]["detail"]) == (
        "operator",
        "No key is set.",
    )
    assert (await reindexing.go_on())["state"] == "filling"
    await provider_is_back(reindexing)
    assert (await reindexing.go_on())["state"] == "ready"


async def test_no_more_is_cut_than_is_soon_embedded(
    reindexing: Reindexing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindex_slices, "MOST_QUEUED", 3)
    monkeypatch.setattr(recut, "CHUNKS_A_SLICE", 2)
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    assert len(await reindexing.workers.recut()) == 2
    assert (await reindexing.shown())["chunks"] == {"done": 0, "total": 4}
    assert (await reindexing.go_on())["chunks"] == {"done": FILES, "total": FILES}


async def test_an_empty_collection_moves_too(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    reindexing = Reindexing(api, database, workers, "default")
    await reindexing.begin(space=OTHER_SPACE)
    assert (await reindexing.go_on())["state"] == "ready"
    await reindexing.do("switch")
    answer = await upload(api.client, ("a.txt", b"The first text."))
    await reindexing.work()
    assert await state(reindexing, answer["jobs"][0]["job_id"]) == "succeeded"
    await reindexing.do("finish")
    assert (await reindexing.go_on())["state"] == "done"
    assert await count(reindexing, await reindexing.active()) == (1, 1)


async def test_a_file_of_several_parts_is_cut_again_too(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = api_settings(database_url, tmp_path, part_pages=1)
    async with start_api(settings, tmp_path) as api, working(api, tmp_path) as workers:
        reindexing = Reindexing(api, database, workers, "default")
        content = long_pdf(tmp_path / "two.pdf", 2).read_bytes()
        job = (await upload(api.client, ("two.pdf", content)))["jobs"][0]
        held, begun = Chunks.hold_indexes, list[dict[str, Any]]()

        async def hold_after_begin(chunks: Chunks, *args: Any) -> bool:
            if not begun:
                begun.append(await reindexing.begin(space=OTHER_SPACE))
            return await held(chunks, *args)

        monkeypatch.setattr(Chunks, "hold_indexes", hold_after_begin)
        await reindexing.work()
        monkeypatch.setattr(Chunks, "hold_indexes", held)
        assert await reindexing.one("SELECT count(*) FROM parts") == 2
        await workers.work(UUID(job["job_id"]))
        assert await state(reindexing, job["job_id"]) == "succeeded"
        assert await reindexing.one("SELECT count(DISTINCT index_id) FROM chunks") == 2


async def test_a_document_that_takes_too_long_is_told(reindexing: Reindexing) -> None:
    ingest = reindexing.api.context.settings.ingest
    hasty = ingest.model_copy(update={"chunk_timeout_s": 0.2})
    begun = await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    step = RecutStep(database=reindexing.database, cutter=SlowCutter(), settings=hasty)
    while (await reindexing.shown())["stage"] == "cutting":
        await step.run(UUID(begun["id"]))
    shown = await reindexing.go_on()
    assert (shown["state"], shown["missing"]) == ("ready", FILES)
    assert "longer than 0.2 s" in shown["problems"][0]["detail"]


class SlowCutter:
    """Cuts nothing for half a second."""

    def cut(self, *_: object) -> Collection[NewChunk]:
        time.sleep(0.5)
        return []
