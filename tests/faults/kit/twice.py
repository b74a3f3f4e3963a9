"""A wire between Celery and Valkey that can deliver every message twice.

It reads the commands that clients send (RESP: arrays of strings) and repeats what is pushed onto
one of our queues, under a delivery tag of its own, as a redelivery that overtook its ack.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit
from uuid import uuid4

from citewell.embedded.parts import LOOPBACK
from services.ingest_worker.messages import CLOCK_QUEUE, EMBED_QUEUE, PARSE_QUEUE

QUEUES = {name.encode() for name in (PARSE_QUEUE, EMBED_QUEUE, CLOCK_QUEUE)}
BLOCK = 65536


class Wire:
    """The wire: `twice` is its switch, `doubled` counts what it repeated."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        assert there.port
        self._port = there.port
        self._url = url
        self.url = ""
        self.twice = False
        self.doubled = 0

    async def serve(self, stop: asyncio.Event, ready: threading.Event) -> None:
        """Pass everything on until told to stop."""
        server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        port = server.sockets[0].getsockname()[1]
        self.url = self._url.replace(f":{self._port}", f":{port}")
        ready.set()
        await stop.wait()
        server.close()

    async def _connected(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection(LOOPBACK, self._port)
        replying = asyncio.create_task(_copy(answers, back))
        with suppress(OSError, asyncio.IncompleteReadError):
            async for words in _commands(client):
                server.write(_command(self._repeated(words)))
                await server.drain()
        server.close()
        await replying
        back.close()

    def _repeated(self, words: list[bytes]) -> list[bytes]:
        pushed = words[0].upper() == b"LPUSH" and words[1] in QUEUES
        if not (self.twice and pushed):
            return words
        self.doubled += len(words) - 2
        return [*words, *(_again(message) for message in words[2:])]


@contextmanager
def doubling(url: str) -> Iterator[Wire]:
    """Lay the wire before a server until the block ends."""
    wire, loop, ready = Wire(url), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(wire.serve(stop, ready),))
    thread.start()
    ready.wait()
    try:
        yield wire
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        _end(loop)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))
    loop.close()


def _again(message: bytes) -> bytes:
    told = json.loads(message)
    told["properties"]["delivery_tag"] = str(uuid4())
    return json.dumps(told).encode()


def _command(words: list[bytes]) -> bytes:
    lengths = (b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    return b"*%d\r\n" % len(words) + b"".join(lengths)


async def _commands(reader: asyncio.StreamReader) -> AsyncIterator[list[bytes]]:
    while head := await reader.readline():
        words = []
        for _ in range(int(head[1:])):
            size = int((await reader.readline())[1:])
            words.append((await reader.readexactly(size + 2))[:-2])
        yield words


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await source.read(BLOCK):
            target.write(block)
            await target.drain()
