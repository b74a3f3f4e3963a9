"""`POST /v1/collections/{name}/reindex`: another space or chunking, filled beside and switched."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from services.ingest_worker.dispatch import Dispatcher
from services.ingest_worker.jobs import recut
from services.ingest_worker.upkeep.deletion import bury
from shared.database import reindex_slices
from shared.database.chunks import Chunks
from shared.database.engine import Database
from shared.database.parked_spaces import Outage, ParkedSpaces
from shared.database.reindex_slices import CutSlice, ReindexSlices
from shared.identity import new_id
from tests.integration.test_ingest_api_deletion import let_the_grace_pass, run
from tests.support.ingest_api import IngestApi, upload
from tests.support.reindexing import OTHER_SPACE, Reindexing
from tests.support.workers import Workers

FILES = 6
LONG = " ".join(f"Sentence number {number} of a text that is cut." for number in range(200))


@pytest.fixture
async def reindexing(api: IngestApi, database: Database, workers: Workers) -> Reindexing:
    """Six live documents of one chunk each."""
    await api.client.put("/v1/collections/papers", json={})
    files = [(f"{number}.txt", f"The text of {number}.".encode()) for number in range(FILES)]
    await upload(api.client, *files, collection="papers")
    reindexing = Reindexing(api, database, workers)
    await reindexing.work()
    return reindexing


async def count(reindexing: Reindexing, index_id: UUID) -> tuple[int, int]:
    """Return how many points and chunk rows an index has."""
    rows = await reindexing.one("SELECT count(*) FROM chunks WHERE index_id = :id", id=index_id)
    return await reindexing.api.vectors.count(index_id), rows


async def state(reindexing: Reindexing, job_id: str) -> str:
    return str((await reindexing.api.client.get(f"/v1/jobs/{job_id}")).json()["state"])


async def send(reindexing: Reindexing, name: str, content: str) -> dict[str, Any]:
    answer = await upload(reindexing.api.client, (name, content.encode()), collection="papers")
    job: dict[str, Any] = answer["jobs"][0]
    return job


async def test_filled_beside_while_the_old_index_answers(reindexing: Reindexing) -> None:
    old, before = await reindexing.active(), await jobs_of(reindexing)
    begun = await reindexing.begin(space=OTHER_SPACE)
    assert (begun["state"], begun["stage"], begun["answers"]) == ("filling", "preparing", "old")
    assert begun["documents"] == {"done": 0, "total": FILES}
    assert await reindexing.well()

    filled = await reindexing.go_on()
    assert (filled["state"], filled["answers"], filled["missing"]) == ("ready", "old", 0)
    assert filled["documents"] == filled["chunks"] == {"done": FILES, "total": FILES}
    new = await reindexing.newest()
    assert new != old == await reindexing.active()
    assert await count(reindexing, old) == await count(reindexing, new) == (FILES, FILES)
    assert await reindexing.well()
    tokens = "SELECT sum(tokens) FROM chunks WHERE index_id = :id"
    assert filled["tokens"] == await reindexing.one(tokens, id=new)
    # Nothing was parsed again and no job came alive.
    assert await jobs_of(reindexing) == before


async def test_switched_rolled_back_and_switched_again(reindexing: Reindexing) -> None:
    old = await reindexing.active()
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.go_on()
    new = await reindexing.newest()
    for _ in range(2):
        assert (await reindexing.do("switch"))["answers"] == "new"
        assert await reindexing.active() == new
        assert await shown_space(reindexing) == OTHER_SPACE
        assert (await reindexing.do("switch"))["state"] == "switched"
        assert await reindexing.well()
        assert (await reindexing.do("rollback"))["state"] == "ready"
        assert await reindexing.active() == old
        assert (await reindexing.do("rollback"))["answers"] == "old"


async def test_finish_removes_the_index_that_does_not_answer(reindexing: Reindexing) -> None:
    old = await reindexing.active()
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.go_on()
    await reindexing.do("switch")
    assert (await reindexing.do("finish"))["state"] == "removing"
    assert (await reindexing.do("finish"))["state"] == "removing"
    assert (await reindexing.post("rollback")).status_code == 409
    assert await reindexing.well()
    done = await reindexing.go_on()
    assert (done["state"], done["answers"]) == ("done", "new")
    assert await count(reindexing, old) == (0, 0)
    assert await count(reindexing, await reindexing.active()) == (FILES, FILES)
    assert await reindexing.one("SELECT count(*) FROM indexes") == 1
    assert await reindexing.well()
    assert (await reindexing.post("finish")).status_code == 404


async def jobs_of(reindexing: Reindexing) -> Any:
    shown = "id, state, revision, finished_at, chunks_total, chunks_left"
    return await reindexing.one(f"SELECT array_agg(({shown})::text ORDER BY id) FROM jobs")  # noqa: S608


async def shown_space(reindexing: Reindexing) -> str:
    shown = await reindexing.api.client.get("/v1/collections/papers")
    return str(shown.json()["space"])


async def test_an_unchanged_text_in_the_same_space_costs_nothing(reindexing: Reindexing) -> None:
    calls = reindexing.workers.embedder.calls
    await reindexing.begin(chunk_tokens=100)
    assert (await reindexing.go_on())["state"] == "ready"
    assert reindexing.workers.embedder.calls == calls
    new = await reindexing.newest()
    assert await count(reindexing, new) == (FILES, FILES)
    # Back to what it was: the vectors are still there.
    await reindexing.do("switch")
    await reindexing.do("finish")
    assert (await reindexing.go_on())["state"] == "done"
    await reindexing.begin()
    assert (await reindexing.go_on())["new"]["chunker"] == "sections-1"
    assert reindexing.workers.embedder.calls == calls


async def test_smaller_chunks_are_cut_from_what_was_parsed(reindexing: Reindexing) -> None:
    await send(reindexing, "long.txt", LONG)
    await reindexing.work()
    _, before = await count(reindexing, await reindexing.active())
    await reindexing.begin(chunk_tokens=200)
    shown = await reindexing.go_on()
    assert shown["new"] == {"space": "fake/bytes", "chunker": "sections-1@200"}
    new = await reindexing.newest()
    points, rows = await count(reindexing, new)
    assert points == rows > before
    longest = "SELECT max(tokens) FROM chunks WHERE index_id = :id"
    assert await reindexing.one(longest, id=new) <= 200
    # What is held is counted by the index that stays.
    await reindexing.do("switch")
    await reindexing.do("finish")
    await reindexing.go_on()
    assert await reindexing.one("SELECT sum(chunks_total) FROM jobs") == rows
    rebuild = {"collection": "papers", "dry_run": True}
    cost = (await reindexing.api.client.post("/v1/admin/rebuild", json=rebuild)).json()["costs"][0]
    assert (cost["chunks"], cost["unknown"]) == (rows, 0)


async def test_what_it_takes_is_told_and_nothing_begun(reindexing: Reindexing) -> None:
    response = await reindexing.post(space="openai/text-embedding-3-large", dry_run=True)
    assert response.status_code == 200
    cost = response.json()["cost"]
    assert response.json()["reindex"] is None
    assert (cost["documents"], cost["chunks"], cost["calls"]) == (FILES, FILES, 1)
    assert cost["dimensions"] == 3072
    # The texts are counted in the new space's tokens, which are longer than bytes.
    tokens = await reindexing.one("SELECT sum(tokens) FROM chunks")
    assert 0 < cost["tokens"] < tokens
    assert cost["usd"] == round(cost["tokens"] * 0.13 / 1e6, 4)
    assert cost["seconds"] > 0
    assert (await reindexing.api.client.get(reindexing.url)).status_code == 404
    assert await reindexing.one("SELECT count(*) FROM indexes") == 1


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 409, "already"),
        ({"space": "fake/bytes"}, 409, "already"),
        ({"space": "nobody/knows"}, 422, "no embedding space `nobody/knows`"),
        ({"chunk_tokens": 1}, 422, "64"),
        ({"space": "local/bge-small-en-v1.5", "chunk_tokens": 900}, 422, "takes 64 to 510"),
        ({"dimensions": 3}, 422, "dimensions"),
    ],
)
async def test_a_wish_that_makes_no_sense(
    reindexing: Reindexing, body: dict[str, Any], status: int, told: str
) -> None:
    response = await reindexing.post(**body)
    assert (response.status_code, told in response.text) == (status, True), response.text
    assert (await reindexing.post(**body, dry_run=True)).status_code == status
    assert await reindexing.one("SELECT count(*) FROM reindexes") == 0


async def test_one_at_a_time_and_of_a_collection_that_is_there(reindexing: Reindexing) -> None:
    assert (
        await Reindexing(*parts(reindexing), "nowhere").post(space=OTHER_SPACE)
    ).status_code == 404
    for verb in ("switch", "rollback", "finish"):
        assert (await reindexing.post(verb)).status_code == 404
    await reindexing.begin(space=OTHER_SPACE)
    again = await reindexing.post(space="openai/a-third@256")
    assert (again.status_code, "under way" in again.text) == (409, True)
    stranger = reindexing.api.as_tenant("globex")
    for verb in ("switch", "rollback", "finish"):
        assert (await stranger.post(f"{reindexing.url}/{verb}")).status_code == 404
    assert (await stranger.get(reindexing.url)).status_code == 404
    reader = reindexing.api.as_tenant("acme", "query")
    assert (await reader.post(f"{reindexing.url}/finish")).status_code == 403


def parts(reindexing: Reindexing) -> tuple[IngestApi, Database, Workers]:
    return reindexing.api, reindexing.database, reindexing.workers


async def test_no_switch_before_it_is_filled(reindexing: Reindexing) -> None:
    await reindexing.begin(space=OTHER_SPACE)
    await reindexing.step()
    refused = await reindexing.post("switch")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "cutting, 0 of 6 documents are cut" in refused.json()["detail"]
    await reindexing.workers.recut()
    assert "6 of 6 chunks are to be embedded" in (await reindexing.post("switch")).text
    assert (await reindexing.post("rollback")).status_code == 409


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
