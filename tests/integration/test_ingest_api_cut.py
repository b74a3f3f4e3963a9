"""Connections that are cut, over a real socket: nothing of them stays, and nobody else notices."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from services.ingest_worker.routers import incoming
from services.ingest_worker.uploads.writes import GROUP_FILES
from shared.database.engine import Database
from tests.support.ingest_api import IngestApi, token, upload

HEAD = (
    b"POST /v1/documents HTTP/1.1\r\nHost: ingest\r\n"
    b"Authorization: Bearer %(token)b\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: %(length)d\r\n\r\n"
)
PART = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="%(name)b"\r\n\r\n'
    b"%(content)b\r\n"
)
END = b"--b--\r\n"


@asynccontextmanager
async def served(api: IngestApi) -> AsyncIterator[int]:
    """Serve a started app on a port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(api.app, lifespan="off", log_config=None, timeout_graceful_shutdown=2)
    )
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listening.close()


def request(*parts: bytes, missing: int = 0) -> bytes:
    """Return an upload's bytes; its length says `missing` bytes more than there are."""
    body = b"".join(parts)
    return HEAD % {b"token": token("acme").encode(), b"length": len(body) + missing} + body


def part(name: bytes, content: bytes) -> bytes:
    return PART % {b"name": name, b"content": content}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def count(database: Database, table: str) -> int:
    async with database.worker() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608


@pytest.mark.parametrize(
    "parts",
    [
        [part(b"%d.txt" % number, b"%d" % number) for number in range(GROUP_FILES + 1)],
        [part(b"cut.txt", b"x" * 3_000_000)],
    ],
    ids=["small", "large"],
)
async def test_a_cut_upload_leaves_nothing(
    api: IngestApi, database: Database, parts: list[bytes]
) -> None:
    async with served(api) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(*parts, missing=100))
        await writer.drain()
        await until(lambda: bool(api.blobs()))
        writer.transport.abort()
        await until(lambda: not api.blobs())
        assert await count(database, "documents") == 0
        assert await count(database, "batches") == 0


async def test_the_last_missing_byte_makes_all_the_difference(
    api: IngestApi, database: Database
) -> None:
    whole = request(part(b"a.txt", b"one"), END)
    async with served(api) as port:
        _, cut = await asyncio.open_connection("127.0.0.1", port)
        cut.write(whole[:-1])
        await cut.drain()
        await asyncio.sleep(0.2)
        cut.transport.abort()
        await until(lambda: not api.blobs())
        assert await count(database, "jobs") == 0

        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(whole)
        assert b"202" in await reader.readline()
        writer.close()
        await writer.wait_closed()
        assert await count(database, "jobs") == 1


async def test_a_silent_sender_is_let_go(
    api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "SILENCE_S", 0.2)
    async with served(api) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(part(b"a.txt", b"one"), missing=100))
        assert b"422" in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert api.blobs() == []
    assert await count(database, "jobs") == 0


async def test_others_upload_while_one_is_stuck(api: IngestApi) -> None:
    async with served(api) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(part(b"a.txt", b"x" * 1000), missing=100))
        await writer.drain()
        headers = {"Authorization": f"Bearer {token('acme')}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers
        ) as client:
            async with asyncio.timeout(5):
                await upload(client, ("b.txt", b"two"))
        writer.transport.abort()


async def test_an_upload_too_long_by_its_header_is_refused_before_its_body(
    api: IngestApi,
) -> None:
    limit = api.context.settings.ingest.max_request_bytes
    async with served(api) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD % {b"token": token("acme").encode(), b"length": limit + 1})
        async with asyncio.timeout(5):
            assert b"413" in await reader.readline()
        writer.transport.abort()


async def test_nobody_without_a_credential_gets_to_send_a_body(api: IngestApi) -> None:
    async with served(api) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD % {b"token": b"cw_wrong", b"length": 1_000_000})
        async with asyncio.timeout(5):
            assert b"401" in await reader.readline()
        writer.transport.abort()
