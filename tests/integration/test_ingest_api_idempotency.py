"""`Idempotency-Key`: a request sent twice is done once, and no death leaves its key locked."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from starlette.types import Message, Receive, Scope, Send

from citewell.client import AsyncClient, File
from services.ingest_worker.uploads.form import read_form
from services.ingest_worker.uploads.once import claimed
from shared.database.engine import Database
from shared.database.idempotency_keys import IdempotencyKeys
from shared.errors import RequestUnderWay
from tests.integration.test_ingest_api_cut import served
from tests.support.ingest_api import IngestApi, api_settings, as_parts, start_api, token

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\none\r\n--b--\r\n'
)


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    settings = api_settings(database_url, tmp_path, lease_s=1.0, sweep_s=1.0)
    async with start_api(settings, tmp_path) as api:
        yield api


async def send(
    client: httpx.AsyncClient,
    *files: tuple[str, bytes],
    key: str = "k",
    **fields: str,
) -> httpx.Response:
    return await client.post(
        "/v1/documents",
        files=as_parts(files or [("a.txt", b"one"), ("b.txt", b"two")]),
        data=fields,
        headers={"Idempotency-Key": key},
    )


async def send_stream(
    client: httpx.AsyncClient, body: AsyncIterator[bytes], key: str = "k"
) -> httpx.Response:
    headers = {"Idempotency-Key": key, "Content-Type": "multipart/form-data; boundary=b"}
    return await client.post("/v1/documents", content=body, headers=headers)


async def count(database: Database, table: str) -> int:
    async with database.worker() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608


async def change(database: Database, statement: str) -> None:
    async with database.worker() as connection:
        await connection.execute(text(statement))


async def test_the_same_request_again_is_answered_the_same_and_does_nothing(
    api: IngestApi, database: Database
) -> None:
    first = await send(api.client, on_duplicate="new")
    again = await send(api.client, on_duplicate="new")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert await count(database, "documents") == 2
    assert await count(database, "batches") == 1
    assert len(api.blobs()) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"files": [("a.txt", b"one"), ("b.txt", b"TWO")]},
        {"files": [("a.txt", b"one"), ("c.txt", b"two")]},
        {"files": [("a.txt", b"one")]},
        {"files": [("b.txt", b"two"), ("a.txt", b"one")]},
        {"fields": {"on_duplicate": "skip"}},
        {"fields": {"attributes": '{"year": 1}'}},
    ],
)
async def test_another_request_under_the_same_key_is_a_conflict(
    api: IngestApi, database: Database, other: dict[str, Any]
) -> None:
    await send(api.client)
    refused = await send(api.client, *other.get("files", ()), **other.get("fields", {}))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert refused.json()["retryable"] is False
    assert "Retry-After" not in refused.headers
    assert await count(database, "batches") == 1
    assert len(api.blobs()) == 2


async def test_without_a_key_every_request_is_one_of_its_own(
    api: IngestApi, database: Database
) -> None:
    for _ in range(2):
        await api.client.post("/v1/documents", files=as_parts([("a.txt", b"one")]))
    assert await count(database, "batches") == 2
    assert await count(database, "idempotency_keys") == 0


async def test_a_key_is_its_tenants_own(api: IngestApi) -> None:
    mine = await send(api.client)
    theirs = await send(api.as_tenant("rival"), ("a.txt", b"other"))
    assert theirs.status_code == 202
    assert theirs.json()["batch_id"] != mine.json()["batch_id"]


async def test_while_the_first_is_under_way_the_second_is_told_to_wait(
    api: IngestApi, database: Database
) -> None:
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield BODY[:50]
        begun.set()
        await go_on.wait()
        yield BODY[50:]

    first = asyncio.create_task(send_stream(api.client, slow()))
    await begun.wait()
    # Longer than the lease: it is renewed for as long as the first request lives.
    await asyncio.sleep(1.5)
    refused = await send(api.client, ("a.txt", b"one"))
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert refused.json()["retryable"] is True
    assert int(refused.headers["Retry-After"]) > 0
    go_on.set()
    answer = await first
    assert answer.status_code == 202
    again = await send(api.client, ("a.txt", b"one"))
    assert (again.status_code, again.content) == (202, answer.content)
    assert await count(database, "batches") == 1


async def test_many_at_once_are_done_once(api: IngestApi, database: Database) -> None:
    answers = await asyncio.gather(*(send(api.client, on_duplicate="new") for _ in range(12)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert (await send(api.client, on_duplicate="new")).status_code == 202
    assert await count(database, "batches") == 1
    assert await count(database, "documents") == 2


@pytest.mark.parametrize("fields", [{"collection": "nowhere"}, {"on_duplicate": "ask"}])
async def test_a_refused_request_frees_its_key(api: IngestApi, fields: dict[str, str]) -> None:
    assert (await send(api.client, **fields)).status_code in (404, 422)
    assert (await send(api.client)).status_code == 202


async def test_a_request_that_breaks_off_frees_its_key(api: IngestApi, database: Database) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield BODY[:60]

    assert (await send_stream(api.client, broken())).status_code == 422
    assert await count(database, "idempotency_keys") == 0


async def test_a_process_that_died_leaves_a_lease_that_runs_out(
    api: IngestApi, database: Database
) -> None:
    # What a killed request leaves: its claim, and nobody who renews it.
    async with claimed(database, "acme", "k", lease_s=0.8):
        refused = await send(api.client)
        assert refused.status_code == 409
        await asyncio.sleep(1.0)
        assert (await send(api.client)).status_code == 202


async def test_who_lost_the_key_commits_nothing(api: IngestApi, database: Database) -> None:
    """A process that slept past its lease wakes up: its key is another's by then."""
    resumed, taken = asyncio.Event(), asyncio.Event()

    async def paused() -> AsyncIterator[bytes]:
        yield BODY[:50]
        taken.set()
        await resumed.wait()
        yield BODY[50:]

    late = asyncio.create_task(send_stream(api.client, paused()))
    await taken.wait()
    await change(
        database,
        "UPDATE idempotency_keys SET claim = gen_random_uuid(), until = now() - '1 s'::interval",
    )
    assert (await send(api.client, ("a.txt", b"one"))).status_code == 202
    resumed.set()
    answer = await late
    assert (answer.status_code, answer.json()["retryable"]) == (409, True)
    assert await count(database, "batches") == 1
    assert len(api.blobs()) == 1


async def test_an_answer_whose_commit_came_through_is_kept_when_the_request_fails(
    api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(api.context.uploads, "_wake", die)
        # Killed between the commit and the answer, as far as the sender can tell.
        assert (await send(api.client, on_duplicate="new")).status_code == 500
    again = await send(api.client, on_duplicate="new")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert await count(database, "batches") == 1


async def test_answers_are_kept_for_a_day_and_then_removed(
    api: IngestApi, database: Database
) -> None:
    await send(api.client)
    async with database.worker() as connection:
        kept = await connection.execute(
            text("SELECT extract(epoch FROM until - now()) / 3600 FROM idempotency_keys")
        )
        assert 23.9 < float(kept.scalar_one()) <= 24
        assert await IdempotencyKeys(connection).prune() == 0
    await change(database, "UPDATE idempotency_keys SET until = now() - '1 s'::interval")
    assert (await send(api.client, ("other.txt", b"x"))).status_code == 202
    await change(database, "UPDATE idempotency_keys SET until = now() - '1 s'::interval")
    async with database.worker() as connection:
        assert await IdempotencyKeys(connection).prune() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x7fb", "a\x85b"])
async def test_a_bad_key_is_422(api: IngestApi, database: Database, key: str) -> None:
    response = await api.client.post(
        "/v1/documents",
        files=as_parts([("a.txt", b"one")]),
        headers=[(b"Idempotency-Key", key.encode("latin-1"))],
    )
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "key" in response.json()["detail"]
    assert await count(database, "jobs") == 0


async def test_refused_files_are_part_of_the_answer_that_is_kept(api: IngestApi) -> None:
    first = await send(api.client, ("empty.txt", b""), ("a.txt", b"one"))
    again = await send(api.client, ("empty.txt", b""), ("a.txt", b"one"))
    assert again.content == first.content
    assert json.loads(first.content)["jobs"][0]["problem"]["code"] == "file_empty"


async def test_the_holder_alone_frees_a_key(database: Database) -> None:
    async with claimed(database, "acme", "k", lease_s=60):
        with pytest.raises(RequestUnderWay):
            async with claimed(database, "acme", "k", lease_s=60):
                read_form({})
        assert await count(database, "idempotency_keys") == 1


async def test_a_client_whose_answer_was_cut_off_makes_no_second_document(
    api: IngestApi, database: Database
) -> None:
    """The commit came through and the answer did not: the client sends again by itself."""
    cuts = 1

    async def cutting(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal cuts

        async def cut(message: Message) -> None:
            nonlocal cuts
            # The head of the answer goes out and its body does not: the server breaks the line.
            if cuts and message["type"] == "http.response.body":
                cuts -= 1
                raise ConnectionResetError
            await send(message)

        await api.app(scope, receive, cut)

    async with (
        served(replace(api, app=cutting)) as port,  # type: ignore[arg-type]
        AsyncClient(f"http://127.0.0.1:{port}", key=token("acme")) as client,
    ):
        sent = await client.upload([File("a.txt", b"one")], on_duplicate="new")
    assert cuts == 0
    assert sent.jobs[0].version == 1
    assert await count(database, "documents") == 1
    assert await count(database, "batches") == 1
