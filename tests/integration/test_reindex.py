"""`POST /v1/collections/{name}/reindex`: another space or chunking, filled beside and switched."""

from typing import Any
from uuid import UUID

import pytest

from shared.database.engine import Database
from tests.support.ingest_api import IngestApi, upload
from tests.support.reindexing import FILES, OTHER_SPACE, Reindexing
from tests.support.workers import Workers

LONG = " ".join(f"Sentence number {number} of a text that is cut." for number in range(200))


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
