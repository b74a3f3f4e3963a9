"""Uploads over HTTP: durable before the answer, all or nothing, one entry a file."""

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event, text

from services.ingest_worker.upkeep.deletion import bury
from services.ingest_worker.uploads.writes import GROUP_FILES
from shared.blobs.folder import FolderBlobStore
from shared.database.engine import Database
from tests.integration.test_ingest_api_deletion import let_the_grace_pass
from tests.support.ingest_api import IngestApi, api_settings, as_parts, start_api, states, upload


async def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.worker() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def finish(database: Database, state: str = "succeeded") -> None:
    """End every open job as the workers would."""
    async with database.worker() as connection:
        await connection.execute(
            text("UPDATE jobs SET state = :state WHERE state = 'queued'"), {"state": state}
        )
        await connection.execute(
            text("UPDATE documents SET live_version = newest_version WHERE deleted_at IS NULL")
        )


async def test_an_upload_is_answered_with_a_job_for_each_file(api: IngestApi) -> None:
    response = await api.client.post(
        "/v1/documents",
        files=as_parts([("a/b c.txt", b"one"), ("ü.md", b"two")]),
        data={"collection": "default", "attributes": '{"author": "x", "year": 2020}'},
    )
    assert response.status_code == 202, response.text
    answer = response.json()
    assert response.headers["Location"] == f"/v1/batches/{answer['batch_id']}"
    assert [job["filename"] for job in answer["jobs"]] == ["a/b c.txt", "ü.md"]
    assert states(answer) == ["queued", "queued"]
    assert len(api.blobs()) == 2
    batch = (await api.client.get(f"/v1/batches/{answer['batch_id']}")).json()
    assert (batch["total"], batch["counts"]["queued"]) == (2, 2)
    job = (await api.client.get(f"/v1/jobs/{answer['jobs'][1]['job_id']}")).json()
    assert job["filename"] == "ü.md"
    # Files of one upload came at one moment: which of them is first is not said.
    assert (job["waiting_for"]["kind"], job["waiting_for"]["position"] in (1, 2)) == ("queue", True)
    document = (await api.client.get(f"/v1/documents/{answer['jobs'][0]['document_id']}")).json()
    assert document["attributes"] == {"author": "x", "year": 2020}
    assert (document["name"], document["state"], document["live_version"]) == (
        "a/b c.txt",
        "queued",
        None,
    )


async def test_rows_are_what_the_workers_claim(api: IngestApi, database: Database) -> None:
    await upload(api.client, ("a.txt", b"one"), options='{"ocr": true}', password="geheim")  # noqa: S106
    assert await rows(
        database,
        "SELECT j.state, j.stage, j.parts_total, j.parts_left, p.number, p.page_start, p.state,"
        " p.bulk, v.options, j.deadline > now() + interval '23 h'"
        " FROM jobs j JOIN parts p ON p.job_id = j.id JOIN versions v ON v.id = j.version_id",
    ) == [
        (
            "queued",
            "parse",
            1,
            1,
            0,
            None,
            "queued",
            False,
            {"ocr": True, "language": None, "password": "geheim"},
            True,
        )
    ]
    assert len(await rows(database, "SELECT 1 FROM events")) == 1


async def test_a_password_is_never_shown(api: IngestApi) -> None:
    answer = await upload(api.client, ("a.txt", b"one"), password="geheim")  # noqa: S106
    document_id = answer["jobs"][0]["document_id"]
    for path in ("", "/versions"):
        response = await api.client.get(f"/v1/documents/{document_id}{path}")
        assert response.status_code == 200
        assert "geheim" not in response.text


async def test_bytes_come_back_as_an_attachment(api: IngestApi) -> None:
    content = bytes(range(256)) * 10_000
    answer = await upload(api.client, ("dir/größe.bin", content))
    response = await api.client.get(f"/v1/documents/{answer['jobs'][0]['document_id']}/content")
    assert response.content == content
    assert response.headers["content-length"] == str(len(content))
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"gr__e.bin\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.bin"
    )
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_more_than_twenty_files_are_bulk(api: IngestApi, database: Database) -> None:
    await upload(api.client, *[(f"{n}.txt", b"%d" % n) for n in range(21)])
    assert await rows(database, "SELECT DISTINCT bulk FROM parts") == [(True,)]


async def test_the_same_bytes_of_a_name_again_are_no_work(
    api: IngestApi, database: Database
) -> None:
    first = await upload(api.client, ("a.txt", b"one"))
    await finish(database)
    second = await upload(api.client, ("a.txt", b"one"))
    assert states(second) == ["succeeded"]
    assert second["jobs"][0]["duplicate_of"] == first["jobs"][0]["job_id"]
    assert second["jobs"][0]["document_id"] == first["jobs"][0]["document_id"]
    assert second["jobs"][0]["version"] == 1
    assert len(api.blobs()) == 1
    batch = (await api.client.get(f"/v1/batches/{second['batch_id']}")).json()
    assert batch["counts"]["succeeded"] == batch["total"] == 1
    assert batch["finished_at"] is not None


async def test_new_bytes_of_a_name_are_its_next_version(api: IngestApi, database: Database) -> None:
    first = await upload(api.client, ("a.txt", b"one"))
    await finish(database)
    second = await upload(api.client, ("a.txt", b"two"))
    [job] = second["jobs"]
    assert (job["version"], job["state"]) == (2, "queued")
    document_id = first["jobs"][0]["document_id"]
    document = (await api.client.get(f"/v1/documents/{document_id}")).json()
    assert (document["live_version"], document["newest_version"]) == (1, 2)
    versions = (await api.client.get(f"/v1/documents/{document_id}/versions")).json()["items"]
    assert [(v["version"], v["live"]) for v in versions] == [(2, False), (1, True)]
    assert versions[0]["sha256"] == hashlib.sha256(b"two").hexdigest()
    for number, content in ((None, b"one"), (1, b"one"), (2, b"two")):
        query = "" if number is None else f"?version={number}"
        response = await api.client.get(f"/v1/documents/{document_id}/content{query}")
        assert response.content == content


async def test_bytes_that_failed_before_are_tried_anew(api: IngestApi, database: Database) -> None:
    await upload(api.client, ("a.txt", b"one"))
    await finish(database, "failed")
    again = await upload(api.client, ("a.txt", b"one"))
    assert states(again) == ["queued"]
    assert again["jobs"][0]["version"] == 2
    assert len(api.blobs()) == 1


async def test_skip_leaves_a_name_alone_and_new_does_not_care(api: IngestApi) -> None:
    first = await upload(api.client, ("a.txt", b"one"))
    skipped = await upload(api.client, ("a.txt", b"two"), ("b.txt", b"three"), on_duplicate="skip")
    assert states(skipped) == ["succeeded", "queued"]
    assert skipped["jobs"][0]["document_id"] == first["jobs"][0]["document_id"]
    another = await upload(api.client, ("a.txt", b"one"), on_duplicate="new")
    assert another["jobs"][0]["document_id"] != first["jobs"][0]["document_id"]
    assert another["jobs"][0]["version"] == 1
    listed = (await api.client.get("/v1/documents", params={"name": "a.txt"})).json()["items"]
    assert len(listed) == 2


async def test_the_same_bytes_under_another_name_share_a_blob(api: IngestApi) -> None:
    answer = await upload(api.client, ("a.txt", b"same"), ("b.txt", b"same"))
    await upload(api.client, ("c.txt", b"same"))
    assert len({job["document_id"] for job in answer["jobs"]}) == 2
    assert len(api.blobs()) == 1


async def test_known_bytes_are_not_written_again(
    api: IngestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write_all = FolderBlobStore.write_all

    async def noted(store: FolderBlobStore, files: Mapping[str, bytes]) -> None:
        written.extend(files.values())
        await write_all(store, files)

    monkeypatch.setattr(FolderBlobStore, "write_all", noted)
    await upload(api.client, ("a.txt", b"one"), ("b.txt", b"two"))
    await upload(api.client, ("a.txt", b"one"), ("c.txt", b"two"), ("d.txt", b"three"))
    assert sorted(written) == [b"one", b"three", b"two"]
    assert len(api.blobs()) == 3


async def test_bytes_that_are_deleted_while_they_come_again_are_asked_for_once_more(
    api: IngestApi, database: Database
) -> None:
    job = (await upload(api.client, ("a.txt", b"one")))["jobs"][0]
    files = [("b.txt", b"one"), *((f"{n}.txt", b"%d" % n) for n in range(GROUP_FILES))]
    request = api.client.build_request("POST", "/v1/documents", files=as_parts(files))
    whole = request.read()

    async def body() -> AsyncIterator[bytes]:
        yield whole[:-100]
        await asyncio.sleep(0.3)
        await api.client.delete(f"/v1/documents/{job['document_id']}")
        await let_the_grace_pass(database)
        await bury(database, api.vectors, api.context.blobs, grace_s=0)
        yield whole[-100:]

    headers = {"Content-Type": request.headers["Content-Type"]}
    answer = await api.client.post("/v1/documents", content=body(), headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["code"] == "storage_unavailable"
    again = await upload(api.client, *files)
    assert states(again) == ["queued"] * len(files)


async def test_a_refused_file_does_not_refuse_the_others(database_url: str, tmp_path: Path) -> None:
    settings = api_settings(database_url, tmp_path, max_file_bytes=10)
    async with start_api(settings, tmp_path) as api:
        answer = await upload(
            api.client, ("big", b"x" * 11), ("empty", b""), ("good", b"x" * 10), ("a\x85b", b"x")
        )
        assert states(answer) == ["failed", "failed", "queued", "failed"]
        codes = [job["problem"]["code"] for job in answer["jobs"] if job["job_id"] is None]
        assert codes == ["file_too_large", "file_empty", "invalid_request"]
        assert answer["jobs"][0]["problem"]["stage"] == "receive"
        assert "duplicate_of" not in answer["jobs"][2]
        batch = (await api.client.get(f"/v1/batches/{answer['batch_id']}")).json()
        assert batch["total"] == 1
        assert len(api.blobs()) == 1


async def test_limits_on_the_request_are_413(database_url: str, tmp_path: Path) -> None:
    settings = api_settings(database_url, tmp_path, max_request_bytes=1000, max_files=2)
    async with start_api(settings, tmp_path) as api:
        announced = await api.client.post("/v1/documents", files=as_parts([("a", b"x" * 1000)]))
        assert announced.status_code == 413

        async def unannounced() -> AsyncIterator[bytes]:
            yield b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
            for _ in range(20):
                yield b"x" * 100

        hidden = await api.client.post(
            "/v1/documents",
            content=unannounced(),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert hidden.status_code == 413
        many = await api.client.post(
            "/v1/documents", files=as_parts([(str(n), b"x") for n in range(3)])
        )
        assert (many.status_code, many.json()["code"]) == (413, "file_too_large")
        assert api.blobs() == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"collection": "nowhere"}, 404),
        ({"collection": "a/b"}, 404),
        ({"attributes": "{"}, 422),
        ({"attributes": '{"filename": "x"}'}, 422),
        ({"on_duplicate": "ask"}, 422),
        ({"options": '{"ocr": 1}'}, 422),
        ({"unknown": "1"}, 422),
    ],
)
async def test_a_wrong_field_takes_nothing(
    api: IngestApi, database: Database, fields: dict[str, str], status: int
) -> None:
    response = await api.client.post(
        "/v1/documents", files=as_parts([("a", b"x"), ("b", b"y")]), data=fields
    )
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert api.blobs() == []
    assert await rows(database, "SELECT 1 FROM documents") == []


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x--\r\n"),
        ("multipart/form-data", b"--x--\r\n"),
    ],
)
async def test_a_body_without_files_is_422(
    api: IngestApi, content_type: str, content: bytes
) -> None:
    response = await api.client.post(
        "/v1/documents", content=content, headers={"Content-Type": content_type}
    )
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_the_first_value_fixes_an_attributes_type(api: IngestApi) -> None:
    await upload(api.client, ("a", b"x"), attributes='{"year": 2020}')
    refused = await api.client.post(
        "/v1/documents", files=as_parts([("b", b"y")]), data={"attributes": '{"year": "2020"}'}
    )
    assert refused.status_code == 422
    assert "year" in refused.json()["detail"]
    collection = (await api.client.get("/v1/collections/default")).json()
    assert collection["fields"] == {"year": "number"}
    assert len(api.blobs()) == 1


async def test_uploads_of_one_name_at_once_make_one_document(
    api: IngestApi, database: Database
) -> None:
    names = [f"{n}.txt" for n in range(8)]
    answers = await asyncio.gather(
        *(
            upload(api.client, *((name, f"{name} {turn}".encode()) for name in turned(names, turn)))
            for turn in range(12)
        )
    )
    assert all(states(answer) == ["queued"] * 8 for answer in answers)
    documents = await rows(database, "SELECT name, newest_version FROM documents ORDER BY name")
    assert documents == [(name, 12) for name in names]
    versions = await rows(
        database,
        "SELECT array_agg(number ORDER BY number) FROM versions GROUP BY document_id",
    )
    assert versions == [(list(range(1, 13)),)] * 8


def turned(names: list[str], turn: int) -> list[str]:
    return names[turn % 8 :] + names[: turn % 8]


async def test_the_same_upload_many_times_at_once_is_one_blob_and_one_version(
    api: IngestApi, database: Database
) -> None:
    answers = await asyncio.gather(
        *(upload(api.client, ("a", b"same"), ("b", b"same too")) for _ in range(10))
    )
    worked = [job for answer in answers for job in answer["jobs"] if "duplicate_of" not in job]
    assert len(worked) == 2
    assert len(api.blobs()) == 2
    assert await rows(database, "SELECT count(*) FROM versions") == [(2,)]


async def test_a_thousand_files_take_a_few_statements(api: IngestApi) -> None:
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    engine = api.context.database._engine.sync_engine  # noqa: SLF001
    event.listen(engine, "before_cursor_execute", count)
    answer = await upload(api.client, *[(f"{n}.txt", b"%d" % n) for n in range(1000)])
    assert states(answer) == ["queued"] * 1000
    # Two for each 64 files, which are looked up before they are written; the rows go all at once.
    assert statements < 25 + 2 * 16


async def test_the_dispatcher_is_woken_and_the_broker_is_not_waited_for(
    api: IngestApi,
) -> None:
    # The broker's ping fails in these tests, as it does when Redis is down.
    ready = (await api.client.get("/readyz")).json()
    assert (ready["status"], ready["dependencies"]["redis"]["status"]) == ("degraded", "down")
    await upload(api.client, ("a", b"x"))
    assert api.publisher.sent == []


async def test_a_database_that_is_gone_is_503_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    async with start_api(api_settings(url, tmp_path), tmp_path) as api:
        response = await api.client.post("/v1/documents", files=as_parts([("a", b"x")]))
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        assert "retry-after" in response.headers
        assert (await api.client.get("/readyz")).status_code == 503
        assert (await api.client.get("/healthz")).status_code == 200


async def test_answers_fit_the_openapi_document(api: IngestApi) -> None:
    document = (await api.client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/documents"]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"]["items"]["format"] == "binary"
    assert {"202", "401", "403", "404", "413", "422", "503", "507"} <= set(operation["responses"])
    assert operation["security"] == [{"bearer": []}]
    assert json.dumps(document)


async def test_a_client_may_say_a_name_twice_in_one_request(api: IngestApi) -> None:
    answer = await upload(api.client, ("a", b"1"), ("a", b"2"), ("a", b"2"))
    assert [job["version"] for job in answer["jobs"]] == [1, 2, 2]
    assert states(answer) == ["queued", "queued", "succeeded"]


async def test_a_full_disk_is_507_and_leaves_nothing(
    api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    response: httpx.Response = await api.client.post(
        "/v1/documents", files=as_parts([("a", b"x"), ("b", b"y")])
    )
    assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    assert api.blobs() == []
    assert await rows(database, "SELECT 1 FROM jobs") == []
