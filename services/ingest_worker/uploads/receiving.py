"""Receives an upload's body: files stream into the blob store, hashed as they pass.

Memory stays small whatever is sent: a file's next bytes are read when its last have been taken.
Nothing here touches the database.
"""

import asyncio
import hashlib
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import anyio

from services.ingest_worker.uploads.multipart import (
    Event,
    MultipartEvents,
    PartBegins,
    PartData,
)
from shared.errors import (
    CitewellError,
    FileEmpty,
    FileTooLarge,
    InvalidInput,
    PayloadTooLarge,
)
from shared.identity import new_id
from shared.settings import IngestSettings

FILE_FIELD = "file"
# Fits in an index row of Postgres with room to spare.
MAX_NAME_BYTES = 2000
MAX_FIELDS = 32
MAX_FIELD_BYTES = 128 * 1024
# Files being written at once: small ones would else wait for one disk sync after another.
WRITES_AT_ONCE = 8
PIECES_AHEAD = 8
# A write whose stream has failed ends by itself, tidily; a store that hangs is not waited for.
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file whose bytes are durable under the key `blob_id`."""

    name: str
    blob_id: UUID
    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that is not taken; the others are."""

    name: str
    error: CitewellError


@dataclass(frozen=True, slots=True)
class Received:
    """Everything a request sent, its files in the order they came."""

    fields: Mapping[str, str]
    files: Sequence[ReceivedFile | RefusedFile]

    @property
    def blob_ids(self) -> list[UUID]:
        """The keys of every blob written."""
        return [file.blob_id for file in self.files if isinstance(file, ReceivedFile)]


class Sink(Protocol):
    """Where files go: a blob store, or nowhere."""

    async def write(self, key: str, parts: AsyncIterator[bytes], /) -> int:
        """Take a stream under a key; returns its size once it is where it shall be."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""
        ...


class Nowhere:
    """Where files go that are only to be hashed."""

    async def write(self, _key: str, parts: AsyncIterator[bytes], /) -> int:
        """Read a stream to its end and keep nothing of it."""
        return sum([len(part) async for part in parts])

    async def delete(self, key: str) -> None:
        """Return: nothing is kept."""


async def receive(
    body: AsyncIterator[bytes],
    *,
    content_type: str,
    blobs: Sink,
    limits: IngestSettings,
) -> Received:
    """Read a whole body; when it fails, no blob of it stays.

    Raises:
        InvalidInput: the body is malformed, was cut, or has a field that is too long.
        PayloadTooLarge: the body or the number of files is over its limit.
        StorageFull, StorageUnavailable: a file could not be stored.
    """
    events = MultipartEvents(content_type)
    receiver = _Receiver(blobs, limits)
    try:
        await receiver.read(body, events)
        return await receiver.received()
    except BaseException:
        await receiver.undo()
        raise


def request_too_large(limits: IngestSettings) -> PayloadTooLarge:
    """Return the error for a body over the limit."""
    return PayloadTooLarge(f"One request may hold at most {limits.max_request_bytes} bytes.")


class _Part(Protocol):
    """Where the bytes of the present part go."""

    async def feed(self, data: bytes) -> None: ...
    def end(self) -> None: ...


class _Receiver:
    """Holds the parts of one request."""

    def __init__(self, blobs: Sink, limits: IngestSettings) -> None:
        self._blobs = blobs
        self._limits = limits
        self._fields: dict[str, _Field] = {}
        self._files: list[_File | RefusedFile] = []
        self._free = asyncio.Semaphore(WRITES_AT_ONCE)
        self._part: _Part = _Ignored()

    async def read(self, body: AsyncIterator[bytes], events: MultipartEvents) -> None:
        """Take the whole body."""
        size = 0
        async for piece in body:
            size += len(piece)
            if size > self._limits.max_request_bytes:
                raise request_too_large(self._limits)
            for event in events.feed(piece):
                await self._take(event)
        if not events.complete:
            raise InvalidInput("The body ends before its closing boundary.")

    async def _take(self, event: Event) -> None:
        if isinstance(event, PartBegins):
            self._part = await self._begin(event)
        elif isinstance(event, PartData):
            await self._part.feed(event.data)
        else:
            self._part.end()

    async def received(self) -> Received:
        """Wait until every file is durable."""
        files = [
            file if isinstance(file, RefusedFile) else await file.outcome() for file in self._files
        ]
        return Received({name: field.text() for name, field in self._fields.items()}, files)

    async def undo(self) -> None:
        """Stop every write and remove what was written."""
        begun = [file for file in self._files if isinstance(file, _File)]
        for file in begun:
            file.abort()
        await asyncio.gather(*(file.removed() for file in begun), return_exceptions=True)

    async def _begin(self, part: PartBegins) -> _Part:
        if part.name != FILE_FIELD:
            return self._begin_field(part)
        if len(self._files) >= self._limits.max_files:
            raise PayloadTooLarge(f"One request may hold at most {self._limits.max_files} files.")
        try:
            name = checked_name(part.filename)
        except InvalidInput as error:
            self._files.append(RefusedFile(part.filename or "", error))
            return _Ignored()
        await self._free.acquire()
        file = _File(name, self._blobs, self._limits.max_file_bytes, self._free)
        self._files.append(file)
        return file

    def _begin_field(self, part: PartBegins) -> _Part:
        if part.name in self._fields:
            raise InvalidInput(f"The field `{part.name}` came twice.")
        if len(self._fields) >= MAX_FIELDS:
            raise InvalidInput(f"The body has more than {MAX_FIELDS} fields.")
        field = self._fields[part.name] = _Field(part.name)
        return field


class _Ignored:
    """Bytes nobody wants."""

    async def feed(self, data: bytes) -> None:
        pass

    def end(self) -> None:
        pass


class _Field:
    """A plain field, held in memory."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = bytearray()

    async def feed(self, data: bytes) -> None:
        if len(self._held) + len(data) > MAX_FIELD_BYTES:
            raise InvalidInput(f"The field `{self._name}` is over {MAX_FIELD_BYTES} bytes.")
        self._held += data

    def end(self) -> None:
        pass

    def text(self) -> str:
        try:
            text = self._held.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"The field `{self._name}` is not UTF-8.") from error
        if "\0" in text:
            raise InvalidInput(f"The field `{self._name}` holds a NUL character.")
        return text


class _File:
    """A file on its way into the store: hashed here, written by a task of its own."""

    def __init__(self, name: str, blobs: Sink, max_bytes: int, free: asyncio.Semaphore) -> None:
        self._name = name
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._blob_id = new_id()
        self._hash = hashlib.sha256()
        self._size = 0
        self._stopped: CitewellError | None = None
        self._send, self._pieces = anyio.create_memory_object_stream[bytes](PIECES_AHEAD)
        self._task = asyncio.create_task(self._write())
        self._task.add_done_callback(lambda _: free.release())

    async def feed(self, data: bytes) -> None:
        if self._stopped:
            return
        self._size += len(data)
        if self._size > self._max_bytes:
            self._stop(FileTooLarge(f"A file may hold at most {self._max_bytes} bytes."))
            return
        self._hash.update(data)
        try:
            await self._send.send(data)
        except anyio.BrokenResourceError:
            # The store gave up: its reason fails the request now, not after the last byte.
            await self._task

    def end(self) -> None:
        if self._size == 0:
            self._stop(FileEmpty())
        self._send.close()

    async def outcome(self) -> ReceivedFile | RefusedFile:
        """Wait until the file is durable, or say why it is refused."""
        try:
            await self._task
        except CitewellError:
            if self._stopped is None:
                raise
            return RefusedFile(self._name, self._stopped)
        return ReceivedFile(self._name, self._blob_id, self._hash.digest(), self._size)

    def abort(self) -> None:
        self._stop(InvalidInput("The upload was cut."))

    async def removed(self) -> None:
        """Wait until the write has ended and nothing is left of it."""
        _, running = await asyncio.wait({self._task}, timeout=STOP_S)
        if running:
            self._task.cancel()
            await asyncio.wait(running)
        if self._task.cancelled() or self._task.exception() is None:
            await self._blobs.delete(str(self._blob_id))

    def _stop(self, reason: CitewellError) -> None:
        self._stopped = self._stopped or reason
        self._send.close()

    async def _write(self) -> None:
        try:
            await self._blobs.write(str(self._blob_id), self._stream())
        finally:
            self._pieces.close()

    async def _stream(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece
        if self._stopped:
            raise self._stopped


def checked_name(filename: str | None) -> str:
    """Return a file's name as it was sent.

    Raises:
        InvalidInput: there is none, it is too long, or it holds a control character.
    """
    if not filename:
        raise InvalidInput("A `file` part needs a file name.")
    if len(filename.encode()) > MAX_NAME_BYTES:
        raise InvalidInput(f"A file's name may have at most {MAX_NAME_BYTES} bytes.")
    if any(unicodedata.category(character) == "Cc" for character in filename):
        raise InvalidInput("A file's name must not hold control characters.")
    return filename
