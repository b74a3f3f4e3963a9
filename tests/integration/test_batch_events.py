"""The stream of a batch's events, over a real line: all of it, in order, again after a break."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from citewell.embedded.gateway import Gateway
from citewell.embedded.parts import free_port
from services.ingest_worker.following.cursor import cursor_of, position_of
from services.query_api.app import create_app as create_query_app
from shared.database.engine import Database
from shared.database.events import Events, Position
from shared.database.jobs import Jobs
from shared.errors import DeadlineExceeded
from shared.problems import problem_of
from tests.support.ingest_api import SECRET, IngestApi, api_settings, start_api, token, upload
from tests.support.postgres import cut_connections
from tests.support.serving import Told, served, told

UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    settings = api_settings(database_url, tmp_path, max_streams=2)
    async with start_api(settings, tmp_path) as api:
        yield api


@pytest.fixture
async def line(api: IngestApi) -> AsyncIterator[httpx.AsyncClient]:
    async with served(api.app) as port, client_of(port) as client:
        yield client


def client_of(port: int, tenant: str = "acme") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token(tenant)}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20)


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, batch_id: str, after: str | None = None
) -> AsyncIterator[AsyncIterator[Told]]:
    headers = {} if after is None else {"Last-Event-ID": after}
    path = f"/v1/batches/{batch_id}/events"
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield told(response)


async def whole(client: httpx.AsyncClient, batch_id: str, after: str | None = None) -> list[Told]:
    async with stream(client, batch_id, after) as events, asyncio.timeout(20):
        return [one async for one in events]


async def until(events: AsyncIterator[Told], name: str) -> list[Told]:
    """Read up to the first event of a name that has an id."""
    seen: list[Told] = []
    # A transaction that is open in any database of the server holds events back.
    async with asyncio.timeout(60):
        async for one in events:
            seen.append(one)
            if one.name == name and one.id:
                return seen
    raise AssertionError(f"no {name} came: {seen}")


async def start(database: Database, job_id: str) -> None:
    async with database.worker() as connection:
        await Jobs(connection).start([UUID(job_id)])


async def end(database: Database, *job_ids: str) -> None:
    for job_id in job_ids:
        async with database.worker() as connection:
            assert await Jobs(connection).fail(UUID(job_id), problem_of(DeadlineExceeded()))


async def two_files(api: IngestApi) -> tuple[str, list[str]]:
    answer = await upload(api.client, ("a.txt", b"one"), ("b.txt", b"two"))
    return answer["batch_id"], [job["job_id"] for job in answer["jobs"]]


def names(seen: list[Told]) -> list[str]:
    return [one.name for one in seen]


async def test_a_stream_tells_what_is_what_changes_and_the_end(
    api: IngestApi, line: httpx.AsyncClient, database: Database
) -> None:
    batch_id, [first, second] = await two_files(api)
    async with stream(line, batch_id) as events:
        seen = await until(events, "batch")
        assert names(seen) == ["batch", "job", "job", "batch"]
        assert {one.data["id"]: one.data["state"] for one in seen if one.name == "job"} == {
            first: "queued",
            second: "queued",
        }
        await start(database, first)
        [job, batch] = await until(events, "batch")
        assert (job.data["id"], job.data["state"]) == (first, "parsing")
        assert batch.data["counts"]["parsing"] == 1
        await end(database, first, second)
        rest = await until(events, "end")
        assert [one async for one in events] == []
    assert rest[-1].data["counts"]["failed"] == 2
    last = {one.data["id"]: one.data for one in rest if one.name == "job"}
    assert {job["state"] for job in last.values()} == {"failed"}
    assert {job["problem"]["code"] for job in last.values()} == {"deadline_exceeded"}
    shown = (await line.get(f"/v1/jobs/{first}")).json()
    assert last[first].keys() == shown.keys()


async def test_a_pause_and_a_resume_are_told_with_the_jobs_that_wait_for_them(
    api: IngestApi, line: httpx.AsyncClient, database: Database
) -> None:
    batch_id, [first, second] = await two_files(api)
    await end(database, second)
    async with stream(line, batch_id) as events:
        await until(events, "batch")
        await api.client.post(f"/v1/batches/{batch_id}/pause")
        [job, batch] = await until(events, "batch")
        assert (job.data["id"], job.data["waiting_for"]["kind"]) == (first, "operator")
        assert batch.data["paused"] is True
        await api.client.post(f"/v1/batches/{batch_id}/resume")
        [job, batch] = await until(events, "batch")
        assert (job.data["id"], job.data["waiting_for"]["kind"]) == (first, "queue")
        assert batch.data["paused"] is False


async def test_a_pause_of_a_batch_without_open_jobs_is_told_too(
    api: IngestApi, line: httpx.AsyncClient, database: Database
) -> None:
    batch_id, jobs = await two_files(api)
    await end(database, *jobs)
    async with database.worker() as connection:
        await connection.execute(text("UPDATE batches SET sealed = false"))
    async with stream(line, batch_id) as events:
        await until(events, "batch")
        await api.client.post(f"/v1/batches/{batch_id}/pause")
        [batch] = await until(events, "batch")
        assert batch.data["paused"] is True


async def test_a_batch_that_has_ended_is_told_at_once(
    api: IngestApi, line: httpx.AsyncClient, database: Database
) -> None:
    batch_id, jobs = await two_files(api)
    await end(database, *jobs)
    seen = await whole(line, batch_id)
    assert names(seen) == ["batch", "job", "job", "batch", "end"]


async def test_what_happened_during_a_break_is_told_and_nothing_else(
    api: IngestApi, line: httpx.AsyncClient, database: Database
) -> None:
    batch_id, [first, second] = await two_files(api)
    async with stream(line, batch_id) as events:
        await until(events, "batch")
        await start(database, first)
        last = (await until(events, "job"))[-1].id
    await end(database, second)
    async with stream(line, batch_id, last) as events:
        [job, _] = await until(events, "batch")
        assert (job.data["id"], job.data["state"]) == (second, "failed")
    await end(database, first)
    seen = await whole(line, batch_id, last)
    assert {one.data["id"] for one in seen if one.name == "job"} == {first, second}
    assert names(await whole(line, batch_id, seen[-1].id)) == ["batch", "end"]


async def test_transactions_that_end_in_another_order_are_all_told(
    api: IngestApi, line: httpx.AsyncClient, database: Database
) -> None:
    batch_id, [first, second] = await two_files(api)
    async with stream(line, batch_id) as events:
        await until(events, "batch")
        async with database.worker() as early:
            await Jobs(early).start([UUID(first)])
            await start(database, second)
            held_back = await until(events, "batch")
            assert names(held_back) == ["batch"]
            assert held_back[0].data["counts"]["parsing"] == 1
        seen = await until(events, "batch")
    assert [one.data["id"] for one in seen if one.name == "job"] == [first, second]


async def test_an_unfinished_transaction_elsewhere_does_not_hold_up_the_end(
    api: IngestApi, line: httpx.AsyncClient, database: Database
) -> None:
    batch_id, jobs = await two_files(api)
    async with database.worker() as elsewhere:
        await elsewhere.execute(text("INSERT INTO tenants (tenant_id) VALUES ('other')"))
        await end(database, *jobs)
        seen = await whole(line, batch_id)
        again = await whole(line, batch_id, seen[-1].id)
    assert names(seen)[-1] == "end"
    assert names(again) == ["job", "job", "batch", "end"]


@pytest.mark.parametrize("old", ["pruned", "of another database"])
async def test_who_was_away_too_long_is_told_everything(
    api: IngestApi, line: httpx.AsyncClient, database: Database, old: str
) -> None:
    batch_id, jobs = await two_files(api)
    await end(database, *jobs)
    async with database.worker() as connection:
        head = await Events(connection).head()
    week = 7 * 86_400
    position = (
        Position(head.xid, 1, head.at_s - week)
        if old == "pruned"
        else Position(head.xid + 1000, 1, head.at_s)
    )
    seen = await whole(line, batch_id, cursor_of(position))
    assert names(seen) == ["batch", "job", "job", "batch", "end"]


@pytest.mark.parametrize("wrong", ["x", "1-2", "1-2-3-4", "-1-2-3", f"{2**63}-1-1", "1-2-٣"])
async def test_what_is_no_id_is_refused(api: IngestApi, wrong: str) -> None:
    batch_id, _ = await two_files(api)
    headers = {b"Last-Event-ID": wrong.encode()}
    response = await api.client.get(f"/v1/batches/{batch_id}/events", headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_an_id_leads_back_to_its_position() -> None:
    position = Position(12345678901, 7, 1_790_000_000)
    assert position_of(cursor_of(position)) == position


async def test_no_other_tenant_may_follow(api: IngestApi, line: httpx.AsyncClient) -> None:
    batch_id, _ = await two_files(api)
    rival = api.as_tenant("rival")
    assert (await rival.get(f"/v1/batches/{batch_id}/events")).status_code == 404
    assert (await rival.get(f"/v1/batches/{batch_id}?wait=30&since=0")).status_code == 404
    assert (await line.get(f"/v1/batches/{UNKNOWN}/events")).status_code == 404


async def test_streams_are_limited_and_a_reader_who_leaves_makes_room(
    api: IngestApi, line: httpx.AsyncClient
) -> None:
    batch_id, _ = await two_files(api)
    path = f"/v1/batches/{batch_id}/events"
    async with stream(line, batch_id) as one, stream(line, batch_id) as other:
        await until(one, "batch")
        await until(other, "batch")
        refused = await line.get(path)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert api.context.feed.followed == 2
    async with asyncio.timeout(5):
        while api.context.feed.followed:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    async with stream(line, batch_id) as one:
        await until(one, "batch")


async def test_a_silent_stream_is_kept_open_and_ends_in_time_for_a_new_credential(
    api: IngestApi, line: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.web.sse.KEEP_ALIVE_S", 0.05)
    monkeypatch.setattr("services.ingest_worker.routers.batch_events.STREAM_S", 0.5)
    batch_id, _ = await two_files(api)
    seen = names(await whole(line, batch_id))
    assert seen.count("comment") >= 3
    assert "end" not in seen


async def test_a_stream_outlives_cut_connections_of_the_database(
    api: IngestApi, line: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    batch_id, jobs = await two_files(api)
    async with stream(line, batch_id) as events:
        await until(events, "batch")
        await cut_connections(database_url)
        await end(database, *jobs)
        assert (await until(events, "end"))[-1].data["counts"]["failed"] == 2


async def test_a_reader_that_does_not_read_still_gets_everything(
    api: IngestApi, line: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest_worker.following.look.MOST", 2)
    files = [(f"{number}.txt", b"%d" % number) for number in range(30)]
    answer = await upload(api.client, *files)
    jobs = [job["job_id"] for job in answer["jobs"]]
    async with stream(line, answer["batch_id"]) as events:
        await until(events, "batch")
        for job_id in jobs:
            await start(database, job_id)
            await asyncio.sleep(0.02)
        await end(database, *jobs)
        seen = await until(events, "end")
    last = {one.data["id"]: one.data["state"] for one in seen if one.name == "job"}
    assert last == dict.fromkeys(jobs, "failed")


async def test_the_gateway_streams_too(api: IngestApi, database: Database) -> None:
    batch_id, jobs = await two_files(api)
    gateway: Any = Gateway(api.app, create_query_app())
    async with (
        served(gateway) as port,
        client_of(port) as client,
        stream(client, batch_id) as events,
    ):
        await until(events, "batch")
        await end(database, *jobs)
        await until(events, "end")


async def test_a_process_told_to_stop_lets_its_readers_go_at_once(
    api: IngestApi, database_url: str, tmp_path: Path
) -> None:
    batch_id, jobs = await two_files(api)
    port = free_port()
    environment = {
        **os.environ,  # noqa: TID251 - the child needs PATH and coverage's variables
        "CITEWELL_DATABASE_URL": database_url,
        "CITEWELL_AUTH_SECRET": SECRET,
        "CITEWELL_BLOBS_URL": (tmp_path / "blobs").as_uri(),
        "CITEWELL_EMBEDDING_SPACE": "fake/bytes",
    }
    command = [sys.executable, "-m", "uvicorn", "services.ingest_worker.app:app"]
    process = subprocess.Popen(  # noqa: ASYNC220 - started, not waited for
        [*command, "--port", str(port)], env=environment
    )
    try:
        async with client_of(port) as client:
            await ready(client)
            waiting = asyncio.create_task(client.get(f"/v1/jobs/{jobs[0]}?wait=60"))
            async with stream(client, batch_id) as events:
                await until(events, "batch")
                process.send_signal(signal.SIGTERM)
                told_at = time.monotonic()
                assert "end" not in [one.name async for one in events]
            assert (await waiting).json()["state"] == "queued"
            await asyncio.to_thread(process.wait, 10)
        assert time.monotonic() - told_at < 5
    finally:
        process.kill()
        process.wait()


async def ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.get("/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return
