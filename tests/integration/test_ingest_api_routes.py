"""Collections, documents, chunks, jobs and batches over HTTP."""

import asyncio
import time
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert, select, text

from shared.database.engine import Database
from shared.database.tables import chunks
from shared.identity import new_id, text_sha256
from tests.support.ingest_api import IngestApi, states, upload

UNKNOWN = "00000000-0000-7000-8000-000000000000"


async def run(database: Database, statement: str, **parameters: Any) -> Any:
    async with database.worker() as connection:
        return await connection.execute(text(statement), parameters)


async def all_pages(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get(path, params=query | cursor)).json()
        assert len(page["items"]) <= query.get("limit", 50)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def make_live(database: Database, document_id: str, texts: list[str]) -> list[UUID]:
    """Give a document's newest version chunks and make it live; return the chunks' ids."""
    ids = [new_id() for _ in texts]
    async with database.worker() as connection:
        version, tenant, index = (
            await connection.execute(
                text(
                    "SELECT v.id, d.tenant_id, c.active_index FROM documents d"
                    " JOIN versions v ON v.document_id = d.id AND v.number = d.newest_version"
                    " JOIN collections c ON c.id = d.collection_id WHERE d.id = :id"
                ),
                {"id": document_id},
            )
        ).one()
        for ordinal, (chunk_id, content) in enumerate(zip(ids, texts, strict=True)):
            await connection.execute(
                insert(chunks).values(
                    id=chunk_id,
                    tenant_id=tenant,
                    index_id=index,
                    document_id=document_id,
                    version_id=version,
                    ordinal=ordinal,
                    text=content,
                    tokens=3,
                    page_start=1,
                    page_end=2,
                    section=["Intro"],
                    boxes=[{"page": 1, "x0": 0, "y0": 0, "x1": 9, "y1": 9}],
                    text_sha256=text_sha256(content),
                )
            )
        await connection.execute(
            text("UPDATE documents SET live_version = newest_version WHERE id = :id"),
            {"id": document_id},
        )
        await connection.execute(
            text("UPDATE jobs SET state = 'succeeded' WHERE document_id = :id"),
            {"id": document_id},
        )
    return ids


async def one_document(api: IngestApi, **fields: str) -> dict[str, Any]:
    answer = await upload(api.client, ("a.txt", b"one"), **fields)
    job: dict[str, Any] = answer["jobs"][0]
    return job


# Collections


async def test_a_collection_is_made_once_and_described(api: IngestApi) -> None:
    made = await api.client.put("/v1/collections/papers", json={"description": "first"})
    assert made.status_code == 200
    body = made.json()
    assert (body["name"], body["description"], body["space"], body["documents"]) == (
        "papers",
        "first",
        "fake/bytes",
        0,
    )
    assert (await api.client.put("/v1/collections/papers", json={})).json() == body
    changed = await api.client.put(
        "/v1/collections/papers", json={"description": "second", "fields": {"year": "number"}}
    )
    assert (changed.json()["description"], changed.json()["fields"]) == (
        "second",
        {"year": "number"},
    )
    assert (await api.client.get("/v1/collections/papers")).json() == changed.json()


async def test_another_space_or_type_is_a_conflict(api: IngestApi) -> None:
    await api.client.put(
        "/v1/collections/papers", json={"space": "fake/bytes", "fields": {"year": "number"}}
    )
    for wish in ({"space": "local/bge-small-en-v1.5"}, {"fields": {"year": "string"}}):
        response = await api.client.put("/v1/collections/papers", json=wish)
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
    same = await api.client.put("/v1/collections/papers", json={"space": "fake/bytes"})
    assert same.status_code == 200


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        (".hidden", {}),
        ("a b", {}),
        ("x" * 65, {}),
        ("ok", {"space": "nobody/knows"}),
        ("ok", {"fields": {"page": "number"}}),
        ("ok", {"fields": {"year": "integer"}}),
        ("ok", {"tenant": "other"}),
        ("ok", {"description": "a\0b"}),
    ],
)
async def test_a_wrong_collection_is_422(api: IngestApi, name: str, wish: dict[str, Any]) -> None:
    response = await api.client.put(f"/v1/collections/{name}", json=wish)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_default_is_there_from_the_start_even_for_many_at_once(api: IngestApi) -> None:
    answers = await asyncio.gather(
        *(api.client.get("/v1/collections/default") for _ in range(8)),
        *(upload(api.client, (f"{n}", b"x")) for n in range(8)),
    )
    assert len(answers) == 16
    listed = (await api.client.get("/v1/collections")).json()["items"]
    assert [(c["name"], c["documents"]) for c in listed] == [("default", 8)]


@pytest.mark.parametrize("name", ["nowhere", "a%00b", "%2e%2e"])
async def test_an_unknown_collection_is_404_everywhere(api: IngestApi, name: str) -> None:
    for response in (
        await api.client.get(f"/v1/collections/{name}"),
        await api.client.delete(f"/v1/collections/{name}"),
        await api.client.get(f"/v1/documents?collection={name}"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_collections_are_listed_page_by_page(api: IngestApi) -> None:
    for name in ("b", "a", "c"):
        await api.client.put(f"/v1/collections/{name}", json={})
    listed = await all_pages(api.client, "/v1/collections", limit=2)
    assert [collection["name"] for collection in listed] == ["a", "b", "c", "default"]


# Documents


async def test_documents_are_listed_page_by_page_and_filtered(
    api: IngestApi, database: Database
) -> None:
    answer = await upload(api.client, *[(f"{n}.txt", b"%d" % n) for n in range(7)])
    listed = await all_pages(api.client, "/v1/documents", limit=3)
    assert [d["name"] for d in listed] == [f"{n}.txt" for n in range(7)]
    assert len(await all_pages(api.client, "/v1/documents", limit=7)) == 7
    await run(
        database,
        "UPDATE jobs SET state = 'failed' WHERE id = :id",
        id=answer["jobs"][4]["job_id"],
    )
    for query, names in (
        ({"state": "failed"}, ["4.txt"]),
        ({"state": "queued", "name": "2.txt"}, ["2.txt"]),
        ({"name": "4"}, []),
        ({"state": "succeeded"}, []),
    ):
        items = (await api.client.get("/v1/documents", params=query)).json()["items"]
        assert [d["name"] for d in items] == names


@pytest.mark.parametrize(
    "path",
    [
        "/v1/documents?cursor=%21",
        "/v1/documents?cursor=AAAA",
        "/v1/documents?limit=0",
        "/v1/documents?limit=101",
        "/v1/documents?state=done",
        "/v1/documents?name=a%00b",
        "/v1/documents/not-an-id",
        "/v1/jobs?batch=x",
        "/v1/jobs?cursor=%00",
        "/v1/jobs?code=a%00",
        "/v1/collections?cursor=AA%3D%3D",
        f"/v1/jobs/{UNKNOWN}?wait=61",
        f"/v1/chunks/{UNKNOWN}?neighbours=11",
        f"/v1/documents/{UNKNOWN}/content?version=0",
        f"/v1/documents/{UNKNOWN}/content?version=99999999999",
    ],
)
async def test_a_wrong_question_is_422(api: IngestApi, path: str) -> None:
    response = await api.client.get(path)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_attributes_are_merged_and_null_removes_one(api: IngestApi) -> None:
    job = await one_document(api, attributes='{"year": 2020, "author": "x"}')
    path = f"/v1/documents/{job['document_id']}"
    changed = await api.client.patch(
        path, json={"attributes": {"author": None, "year": 2021, "tags": ["a"]}}
    )
    assert changed.status_code == 200
    assert changed.json()["attributes"] == {"year": 2021, "tags": ["a"]}
    # The job has not read the attributes yet: no new version is needed.
    assert changed.json()["newest_version"] == 1


@pytest.mark.parametrize(
    "patch",
    [
        {"attributes": {"page": 3}},
        {"attributes": {"year": "2020"}},
        {"attributes": {"a": "\0"}},
        {"attributes": [1]},
        {"name": "other"},
        {},
    ],
)
async def test_a_wrong_patch_is_422(api: IngestApi, patch: dict[str, Any]) -> None:
    job = await one_document(api, attributes='{"year": 2020}')
    response = await api.client.patch(f"/v1/documents/{job['document_id']}", json=patch)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_new_attributes_of_a_live_document_bring_a_version_without_parsing_again(
    api: IngestApi, database: Database
) -> None:
    job = await one_document(api)
    await make_live(database, job["document_id"], ["one"])
    await run(database, "UPDATE parts SET state = 'done', elements = 'packed'")
    path = f"/v1/documents/{job['document_id']}"
    changed = (await api.client.patch(path, json={"attributes": {"year": 2020}})).json()
    assert (changed["live_version"], changed["newest_version"]) == (1, 2)
    rows = await run(
        database,
        "SELECT j.state, j.stage, j.parts_left, p.state, p.elements, v.blob_id ="
        " (SELECT blob_id FROM versions WHERE number = 1) FROM jobs j"
        " JOIN versions v ON v.id = j.version_id JOIN parts p ON p.version_id = v.id"
        " WHERE j.version = 2",
    )
    assert [tuple(row) for row in rows] == [("parsing", "chunk", 0, "done", b"packed", True)]
    same = (await api.client.patch(path, json={"attributes": {"year": 2020}})).json()
    assert same["newest_version"] == 2


async def test_chunks_are_those_of_the_live_version_in_order(
    api: IngestApi, database: Database
) -> None:
    job = await one_document(api)
    path = f"/v1/documents/{job['document_id']}/chunks"
    assert (await api.client.get(path)).json() == {"items": [], "next_cursor": None}
    ids = await make_live(database, job["document_id"], [f"text {n}" for n in range(5)])
    listed = await all_pages(api.client, path, limit=2)
    assert [chunk["text"] for chunk in listed] == [f"text {n}" for n in range(5)]
    assert listed[0] == {
        "id": str(ids[0]),
        "document_id": job["document_id"],
        "version": 1,
        "ordinal": 0,
        "text": "text 0",
        "tokens": 3,
        "page_start": 1,
        "page_end": 2,
        "section": ["Intro"],
        "boxes": [{"page": 1, "x0": 0.0, "y0": 0.0, "x1": 9.0, "y1": 9.0}],
    }
    middle = (await api.client.get(f"/v1/chunks/{ids[1]}?neighbours=2")).json()
    assert middle["text"] == "text 1"
    assert [chunk["ordinal"] for chunk in middle["before"]] == [0]
    assert [chunk["ordinal"] for chunk in middle["after"]] == [2, 3]
    alone = (await api.client.get(f"/v1/chunks/{ids[4]}")).json()
    assert (alone["before"], alone["after"]) == ([], [])


async def test_a_chunk_of_a_version_that_is_not_live_is_404(
    api: IngestApi, database: Database
) -> None:
    job = await one_document(api)
    [chunk_id] = await make_live(database, job["document_id"], ["old"])
    await run(database, "UPDATE documents SET live_version = 2")
    assert (await api.client.get(f"/v1/chunks/{chunk_id}")).status_code == 404
    async with database.worker() as connection:
        assert (await connection.execute(select(chunks.c.id))).scalars().all() == [chunk_id]


# Jobs and batches


async def test_jobs_are_listed_page_by_page_and_filtered(
    api: IngestApi, database: Database
) -> None:
    first = await upload(api.client, *[(f"{n}", b"%d" % n) for n in range(5)])
    second = await upload(api.client, ("z", b"z"))
    listed = await all_pages(api.client, "/v1/jobs", limit=2)
    assert [job["id"] for job in listed] == [
        job["job_id"] for job in first["jobs"] + second["jobs"]
    ]
    await run(
        database,
        "UPDATE jobs SET state = 'failed', problem = CAST(:problem AS jsonb) WHERE id = :id",
        id=first["jobs"][2]["job_id"],
        problem='{"type": "/problems/file_corrupt", "title": "File corrupt", "status": 422,'
        ' "detail": "It is damaged.", "code": "file_corrupt", "stage": "parse",'
        ' "retryable": false, "who": "user", "hint": "Save it anew."}',
    )
    for query, names in (
        ({"batch": second["batch_id"]}, ["z"]),
        ({"batch": first["batch_id"], "state": "failed"}, ["2"]),
        ({"code": "file_corrupt"}, ["2"]),
        ({"code": "file_encrypted"}, []),
        ({"batch": UNKNOWN}, []),
    ):
        items = (await api.client.get("/v1/jobs", params=query)).json()["items"]
        assert [job["filename"] for job in items] == names
        assert all(job["problem"]["code"] == "file_corrupt" for job in items if job["problem"])


async def test_a_wait_returns_when_the_revision_differs(api: IngestApi, database: Database) -> None:
    job = await one_document(api)
    path = f"/v1/jobs/{job['job_id']}"
    begun = time.monotonic()
    at_once = await api.client.get(path, params={"wait": 30, "since": 99})
    assert at_once.json()["revision"] == 0
    waiting = asyncio.create_task(api.client.get(path, params={"wait": 30, "since": 0}))
    await asyncio.sleep(0.4)
    assert not waiting.done()
    await run(database, "UPDATE jobs SET state = 'parsing', revision = revision + 1")
    moved = (await waiting).json()
    assert (moved["revision"], moved["state"]) == (1, "parsing")
    assert time.monotonic() - begun < 5


async def test_a_wait_returns_when_the_job_has_ended_or_the_time_is_up(
    api: IngestApi, database: Database
) -> None:
    job = await one_document(api)
    path = f"/v1/jobs/{job['job_id']}"
    begun = time.monotonic()
    assert (await api.client.get(path, params={"wait": 0.5})).json()["state"] == "queued"
    assert 0.4 < time.monotonic() - begun < 3
    waiting = asyncio.create_task(api.client.get(path, params={"wait": 30}))
    await run(database, "UPDATE jobs SET state = 'succeeded'")
    assert (await waiting).json()["state"] == "succeeded"
    assert (await api.client.get(f"/v1/jobs/{UNKNOWN}?wait=30")).status_code == 404


async def test_many_may_wait_with_few_connections(api: IngestApi, database: Database) -> None:
    job = await one_document(api)
    path = f"/v1/jobs/{job['job_id']}"
    waiting = [
        asyncio.create_task(api.client.get(path, params={"wait": 30}, timeout=40))
        for _ in range(60)
    ]
    await asyncio.sleep(0.5)
    await run(database, "UPDATE jobs SET state = 'succeeded'")
    answers = await asyncio.gather(*waiting)
    assert {answer.status_code for answer in answers} == {200}


async def test_cancel_is_at_once_may_be_repeated_and_conflicts_with_another_end(
    api: IngestApi, database: Database
) -> None:
    job = await one_document(api)
    path = f"/v1/jobs/{job['job_id']}/cancel"
    first = await api.client.post(path)
    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    second = await api.client.post(path)
    assert (second.status_code, second.json()["revision"]) == (200, first.json()["revision"])
    await run(database, "UPDATE jobs SET state = 'succeeded'")
    assert (await api.client.post(path)).status_code == 409


async def test_a_retry_reopens_the_same_job(api: IngestApi, database: Database) -> None:
    job = await one_document(api)
    path = f"/v1/jobs/{job['job_id']}/retry"
    assert (await api.client.post(path)).status_code == 409
    await run(database, "UPDATE jobs SET state = 'failed', attempts = 3")
    again = await api.client.post(path)
    body = again.json()
    assert (again.status_code, body["id"], body["state"], body["attempts"]) == (
        200,
        job["job_id"],
        "queued",
        0,
    )
    assert (body["revision"], body["version"]) == (1, 1)


async def test_a_retry_with_options_is_a_new_version(api: IngestApi, database: Database) -> None:
    job = await one_document(api)
    await run(database, "UPDATE jobs SET state = 'failed'")
    again = await api.client.post(
        f"/v1/jobs/{job['job_id']}/retry", json={"options": {"ocr": True}, "password": "geheim"}
    )
    assert (again.status_code, again.json()["version"]) == (200, 2)
    rows = await run(database, "SELECT options FROM versions WHERE number = 2")
    assert rows.scalar_one() == {"ocr": True, "language": None, "password": "geheim"}
    listed = await api.client.get(f"/v1/documents/{job['document_id']}/versions")
    assert [v["version"] for v in listed.json()["items"]] == [2, 1]
    assert "geheim" not in listed.text


async def test_a_batchs_counts_always_sum_to_its_total(api: IngestApi, database: Database) -> None:
    answer = await upload(api.client, *[(f"{n}", b"%d" % n) for n in range(6)])
    path = f"/v1/batches/{answer['batch_id']}"
    batch = (await api.client.get(path)).json()
    for position, state in enumerate(("failed", "cancelled", "succeeded", "embedding")):
        await run(
            database,
            "UPDATE jobs SET state = :state, revision = revision + 1, finished_at = now()"
            " WHERE id = :id",
            state=state,
            id=answer["jobs"][position]["job_id"],
        )
        batch = (await api.client.get(path)).json()
        assert sum(batch["counts"].values()) == batch["total"] == 6
        assert batch["counts"][state] == 1
        assert batch["throughput"] > 0
        assert batch["finished_at"] is None
    assert batch["eta_s"] > 0
    retried = (await api.client.post(f"{path}/retry")).json()
    assert (retried["counts"]["queued"], retried["counts"]["failed"]) == (4, 0)
    assert retried["revision"] > batch["revision"]
    cancelled = (await api.client.post(f"{path}/cancel")).json()
    assert (cancelled["counts"]["cancelled"], cancelled["counts"]["succeeded"]) == (5, 1)
    assert (await api.client.post(f"{path}/cancel")).json()["counts"] == cancelled["counts"]


async def test_nothing_of_nobody(api: IngestApi) -> None:
    paths = (
        ("GET", f"/v1/documents/{UNKNOWN}"),
        ("PATCH", f"/v1/documents/{UNKNOWN}"),
        ("DELETE", f"/v1/documents/{UNKNOWN}"),
        ("GET", f"/v1/documents/{UNKNOWN}/versions"),
        ("GET", f"/v1/documents/{UNKNOWN}/content"),
        ("GET", f"/v1/documents/{UNKNOWN}/chunks"),
        ("GET", f"/v1/chunks/{UNKNOWN}"),
        ("GET", f"/v1/jobs/{UNKNOWN}"),
        ("POST", f"/v1/jobs/{UNKNOWN}/cancel"),
        ("POST", f"/v1/jobs/{UNKNOWN}/retry"),
        ("GET", f"/v1/batches/{UNKNOWN}"),
        ("POST", f"/v1/batches/{UNKNOWN}/cancel"),
        ("POST", f"/v1/batches/{UNKNOWN}/retry"),
        ("DELETE", f"/v1/keys/{UNKNOWN}"),
    )
    for method, path in paths:
        body: dict[str, Any] | None = {"attributes": {}} if method == "PATCH" else None
        response = await api.client.request(method, path, json=body)
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), path


async def test_states_of_an_answer_are_in_the_order_of_files(api: IngestApi) -> None:
    answer = await upload(api.client, ("b", b"1"), ("a", b""), ("b", b"1"))
    assert states(answer) == ["queued", "failed", "succeeded"]
