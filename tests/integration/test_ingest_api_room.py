"""Back-pressure: an upload that there is no room for is refused before its body is read."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from citewell.client import AsyncClient, File, Patience, ProblemError
from citewell.loading.loader import Loader, LoadOptions
from citewell.loading.tally import Tally
from services.ingest_worker.uploads import room
from shared.database.backlog import Backlog
from shared.database.engine import Database
from shared.settings import BlobSettings, Settings
from tests.integration.test_ingest_api_cut import served
from tests.support.ingest_api import IngestApi, api_settings, as_parts, start_api, token, upload


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEAST_S", 0.0)
    monkeypatch.setattr(room, "COST", 0)
    monkeypatch.setattr(room, "QUEUE_AGAIN_S", 1.0)


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    settings = api_settings(database_url, tmp_path, max_open_jobs_per_tenant=3, max_open_jobs=5)
    async with start_api(settings, tmp_path) as api:
        yield api


async def end_all(database: Database) -> None:
    async with database.worker() as connection:
        await connection.execute(text("UPDATE jobs SET state = 'succeeded', finished_at = now()"))


async def try_upload(client: httpx.AsyncClient, name: str = "x") -> httpx.Response:
    return await client.post("/v1/documents", files=as_parts([(name, name.encode())]))


async def test_a_tenant_with_too_many_open_jobs_is_told_when_to_come_back(
    api: IngestApi, database: Database
) -> None:
    await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
    refused = await try_upload(api.client)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.json()["who"] == "nobody"
    assert int(refused.headers["Retry-After"]) >= 1
    assert len(api.blobs()) == 3
    assert (await try_upload(api.as_tenant("rival"))).status_code == 202
    await end_all(database)
    assert (await try_upload(api.client)).status_code == 202


async def test_too_many_open_jobs_of_all_tenants_are_503(
    api: IngestApi, database: Database
) -> None:
    await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
    await upload(api.as_tenant("rival"), ("a", b"1"), ("b", b"2"))
    refused = await try_upload(api.as_tenant("third"))
    assert (refused.status_code, refused.json()["code"]) == (503, "rate_limited")
    assert "Retry-After" in refused.headers
    await end_all(database)
    assert (await try_upload(api.as_tenant("third"))).status_code == 202


async def test_a_disk_that_is_nearly_full_is_507_before_the_body(
    database_url: str, tmp_path: Path
) -> None:
    free = shutil.disk_usage(tmp_path).free
    settings = api_settings(database_url, tmp_path)
    nearly: Settings = settings.model_copy(
        update={"blobs": BlobSettings(url=settings.blobs.url, min_free_bytes=free - 200 * 1024**2)}
    )
    async with start_api(nearly, tmp_path) as api:
        # There is room for little, and none for as much as this one says it brings.
        assert (await try_upload(api.client)).status_code == 202
        headers = {"Content-Length": str(900 * 1024**2), "Content-Type": "multipart/form-data"}
        refused = await api.client.post("/v1/documents", content=Unread(), headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
        assert "Retry-After" in refused.headers


class Unread:
    """A body that fails whoever reads it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError


async def test_nothing_of_the_body_is_read_and_no_key_is_kept(
    api: IngestApi, database: Database
) -> None:
    await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": "k"}
    refused = await api.client.post("/v1/documents", content=Unread(), headers=headers)
    assert refused.status_code == 429
    await end_all(database)
    answer = await api.client.post(
        "/v1/documents", files=as_parts([("d", b"4")]), headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 202


async def test_what_was_answered_before_is_answered_though_all_is_full(api: IngestApi) -> None:
    files, key = as_parts([("a", b"1"), ("b", b"2"), ("c", b"3")]), {"Idempotency-Key": "k"}
    first = await api.client.post("/v1/documents", files=files, headers=key)
    again = await api.client.post("/v1/documents", files=files, headers=key)
    assert (again.status_code, again.content) == (202, first.content)


async def test_a_large_body_does_not_keep_the_refusal_from_its_sender(api: IngestApi) -> None:
    """The sender is still sending when it is answered; the line must not break."""
    await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
    headers = {"Authorization": f"Bearer {token('acme')}"}
    async with served(api) as port:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            big = as_parts([("big", os.urandom(40_000_000))])
            for _ in range(3):
                refused = await client.post("/v1/documents", files=big)
                assert refused.status_code == 429


async def test_the_client_waits_as_told_and_then_goes_on(
    api: IngestApi, database: Database
) -> None:
    await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
    async with served(api) as port:
        url = f"http://127.0.0.1:{port}"
        async with AsyncClient(url, key=token("acme"), patience=Patience(busy_s=0.1)) as hasty:
            with pytest.raises(ProblemError) as raised:
                await hasty.upload([File("d", b"4")])
            assert raised.value.problem.code == "rate_limited"
        async with AsyncClient(url, key=token("acme")) as client:
            sending = asyncio.create_task(client.upload([File("d", b"4")]))
            await asyncio.sleep(0.5)
            assert not sending.done()
            await end_all(database)
            assert [job.version for job in (await sending).jobs] == [1]


async def test_a_load_waits_for_as_long_as_it_takes(api: IngestApi, database: Database) -> None:
    await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
    tally = Tally(found=1)
    async with served(api) as port:
        url = f"http://127.0.0.1:{port}"
        # Its client loses its patience at once, again and again.
        async with AsyncClient(url, key=token("acme"), patience=Patience(busy_s=0.1)) as client:
            loader = Loader(client, LoadOptions(), tally=tally, progress=lambda _: None)
            load = asyncio.create_task(loader.run([File("d", b"4")]))
            await asyncio.sleep(2.5)
            assert not load.done()
            await end_all(database)
            async with asyncio.timeout(20):
                while not tally.sent:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await end_all(database)
            await asyncio.wait_for(load, 20)
    assert (tally.sent, tally.failures) == (1, [])


async def test_counting_is_not_done_for_every_request(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LEAST_S", 60.0)
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        counted = 0
        of_all = Backlog.of_all

        async def counting(self: Backlog, *, most: int) -> int:
            nonlocal counted
            counted += 1
            return await of_all(self, most=most)

        monkeypatch.setattr(Backlog, "of_all", counting)
        began = time.monotonic()
        await asyncio.gather(*(try_upload(api.client, str(n)) for n in range(20)))
        assert counted == 1
        assert time.monotonic() - began < 30
