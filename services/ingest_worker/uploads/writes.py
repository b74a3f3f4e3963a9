"""The writes of one request: small files some at a time, others as they come, few at once.

Small ones are handed over together, so that bytes which are there already need not be written.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import anyio

WRITES_AT_ONCE = 8
PIECES_AHEAD = 8
GROUP_FILES = 64
GROUP_BYTES = 1024 * 1024
# A write whose stream has failed ends by itself, tidily; a store that hangs is not waited for.
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A whole file in memory, and the key it may be written under."""

    blob_id: UUID
    sha256: bytes
    data: bytes


class Sink(Protocol):
    """Where files go: a blob store, or nowhere."""

    async def put(self, files: Sequence[SmallFile], /) -> set[UUID]:
        """Take small files; return the keys written. The others' bytes were there already."""
        ...

    async def write(self, key: str, parts: AsyncIterator[bytes], /) -> int:
        """Take a stream under a key; returns its size once it is where it shall be."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""
        ...


class Nowhere:
    """Where files go that are only to be hashed."""

    async def put(self, _files: Sequence[SmallFile], /) -> set[UUID]:
        """Keep nothing."""
        return set()

    async def write(self, _key: str, parts: AsyncIterator[bytes], /) -> int:
        """Read a stream to its end and keep nothing of it."""
        return sum([len(part) async for part in parts])

    async def delete(self, key: str) -> None:
        """Return: nothing is kept."""


class _Cut(Exception):
    """A stream that nobody wants to its end; its write removes what it wrote."""


class Stream:
    """A file's pieces on their way to its write."""

    def __init__(self) -> None:
        self.write: asyncio.Task[set[UUID]] | None = None
        self._cut = False
        self._send, self._pieces = anyio.create_memory_object_stream[bytes](PIECES_AHEAD)

    async def send(self, piece: bytes) -> None:
        """Hand a piece on once there is room; raise what the write failed of, if it has."""
        try:
            await self._send.send(piece)
        except anyio.BrokenResourceError:
            if self.write is None:
                raise
            await self.write

    def end(self) -> None:
        """Say that this was all."""
        self._send.close()

    def cut(self) -> None:
        """Give the write up."""
        self._cut = True
        self._send.close()

    def stop(self) -> None:
        """Refuse what is still sent: the write has ended."""
        self._pieces.close()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the pieces as they come."""
        async for piece in self._pieces:
            yield piece
        if self._cut:
            raise _Cut


class Writes:
    """What one request writes; afterwards it is kept as a whole or undone as a whole."""

    def __init__(self, sink: Sink) -> None:
        """Take the place where files go."""
        self._sink = sink
        self._free = asyncio.Semaphore(WRITES_AT_ONCE)
        self._group: list[SmallFile] = []
        self._keys: list[UUID] = []
        self._streams: list[Stream] = []
        self._tasks: list[asyncio.Task[set[UUID]]] = []
        self._failed: asyncio.Task[set[UUID]] | None = None

    async def add(self, file: SmallFile) -> None:
        """Take a small file; it may wait for others.

        Raises:
            StorageFull, StorageUnavailable: one that was handed over before could not be written.
        """
        self._group.append(file)
        held = sum(len(one.data) for one in self._group)
        if len(self._group) == GROUP_FILES or held >= GROUP_BYTES:
            await self._flush()

    async def open(self, key: UUID) -> Stream:
        """Begin the write of a larger file; its pieces are sent to the stream.

        Raises:
            StorageFull, StorageUnavailable: what was handed over before could not be written.
        """
        stream = Stream()
        self._streams.append(stream)
        await self._begin([key], self._write(key, stream))
        stream.write = self._tasks[-1]
        return stream

    async def finished(self) -> set[UUID]:
        """Wait until everything is durable; return the keys that were written.

        Raises:
            StorageFull, StorageUnavailable: something could not be written.
        """
        await self._flush()
        written = await asyncio.gather(*self._tasks)
        return set().union(*written)

    async def undo(self) -> None:
        """Stop every write and remove what was written."""
        for stream in self._streams:
            stream.cut()
        if self._tasks:
            _, running = await asyncio.wait(self._tasks, timeout=STOP_S)
            for task in running:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        removed = (self._sink.delete(str(key)) for key in self._keys)
        await asyncio.gather(*removed, return_exceptions=True)

    async def _flush(self) -> None:
        group, self._group = self._group, []
        if group:
            await self._begin([file.blob_id for file in group], self._sink.put(group))

    async def _begin(self, keys: Sequence[UUID], write: Coroutine[None, None, set[UUID]]) -> None:
        await self._free.acquire()
        self._keys += keys
        task = asyncio.create_task(write)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        if self._failed is not None:
            # The reason fails the request now, not after its last byte.
            await self._failed

    def _ended(self, task: asyncio.Task[set[UUID]]) -> None:
        self._free.release()
        if not task.cancelled() and task.exception() is not None:
            self._failed = self._failed or task

    async def _write(self, key: UUID, stream: Stream) -> set[UUID]:
        try:
            await self._sink.write(str(key), stream.pieces())
        except _Cut:
            return set()
        finally:
            stream.stop()
        return {key}
