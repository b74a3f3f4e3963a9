"""Receives an upload's body: files go into the blob store, hashed as they pass.

Small ones go some at a time, so that bytes which are there already need not be written; others
stream. Memory stays small whatever is sent: the next bytes are read when the last were taken.
"""

import hashlib
import unicodedata
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from services.ingest_worker.uploads.multipart import (
    Event,
    MultipartEvents,
    PartBegins,
    PartData,
)
from services.ingest_worker.uploads.writes import Sink, SmallFile, Stream, Writes
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
# Files up to this are held until they are whole, others written as they come.
SMALL_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file whose bytes are durable: under the key `blob_id`, else under one they had before.

    `file_id` is set for a kept file, which may have `attributes` of its own.
    """

    name: str
    blob_id: UUID
    sha256: bytes
    size: int
    stored: bool = True
    file_id: UUID | None = None
    attributes: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """What makes it the same document as one that is there: its name, or the kept file."""
        return self.name if self.file_id is None else str(self.file_id)


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
        return [file.blob_id for file in self.taken if file.stored]

    @property
    def taken(self) -> list[ReceivedFile]:
        """The files that are not refused."""
        return [file for file in self.files if isinstance(file, ReceivedFile)]


async def receive(
    body: AsyncIterator[bytes],
    *,
    content_type: str,
    sink: Sink,
    limits: IngestSettings,
) -> Received:
    """Read a whole body; when it fails, no blob of it stays.

    Raises:
        InvalidInput: the body is malformed, was cut, or has a field that is too long.
        PayloadTooLarge: the body or the number of files is over its limit.
        StorageFull, StorageUnavailable: a file could not be stored.
    """
    events = MultipartEvents(content_type)
    receiver = _Receiver(sink, limits)
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
    async def end(self) -> None: ...


class _Receiver:
    """Holds the parts of one request."""

    def __init__(self, sink: Sink, limits: IngestSettings) -> None:
        self._writes = Writes(sink)
        self._limits = limits
        self._fields: dict[str, _Field] = {}
        self._files: list[IncomingFile | RefusedFile] = []
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
            await self._part.end()

    async def received(self) -> Received:
        """Wait until every file is durable."""
        written = await self._writes.finished()
        files = [
            file if isinstance(file, RefusedFile) else file.outcome(written) for file in self._files
        ]
        return Received({name: field.text() for name, field in self._fields.items()}, files)

    async def undo(self) -> None:
        """Stop every write and remove what was written."""
        await self._writes.undo()

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
        file = IncomingFile(name, self._writes, self._limits.max_file_bytes)
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

    async def end(self) -> None:
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

    async def end(self) -> None:
        pass

    def text(self) -> str:
        try:
            text = self._held.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"The field `{self._name}` is not UTF-8.") from error
        if "\0" in text:
            raise InvalidInput(f"The field `{self._name}` holds a NUL character.")
        return text


class IncomingFile:
    """A file on its way into the store: held here while it is small, else written as it comes."""

    def __init__(self, name: str, writes: Writes, max_bytes: int) -> None:
        """Take what it is called, where it goes, and the most it may hold."""
        self._name = name
        self._writes = writes
        self._max_bytes = max_bytes
        self._blob_id = new_id()
        self._hash = hashlib.sha256()
        self._size = 0
        self._held: list[bytes] = []
        self._stream: Stream | None = None
        self._refused: CitewellError | None = None

    async def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._refused:
            return
        self._size += len(data)
        if self._size > self._max_bytes:
            self.refuse(FileTooLarge(f"A file may hold at most {self._max_bytes} bytes."))
            return
        self._hash.update(data)
        if self._size <= SMALL_BYTES:
            self._held.append(data)
        else:
            await self._pass_on(data)

    async def end(self) -> None:
        """Note that these were all; one without any is refused."""
        if self._size == 0:
            self.refuse(FileEmpty())
        elif self._stream is not None:
            self._stream.end()
        elif not self._refused:
            held, self._held = b"".join(self._held), []
            await self._writes.add(SmallFile(self._blob_id, self._hash.digest(), held))

    def outcome(self, written: Collection[UUID]) -> ReceivedFile | RefusedFile:
        """Say what became of the file, given the keys that were written."""
        if self._refused:
            return RefusedFile(self._name, self._refused)
        return ReceivedFile(
            self._name,
            self._blob_id,
            self._hash.digest(),
            self._size,
            stored=self._blob_id in written,
        )

    async def _pass_on(self, data: bytes) -> None:
        if self._stream is None:
            self._stream = await self._writes.open(self._blob_id)
            data, self._held = b"".join([*self._held, data]), []
        await self._stream.send(data)

    def refuse(self, reason: CitewellError) -> None:
        """Take no more of it, and remove what was written."""
        self._refused, self._held = reason, []
        if self._stream is not None:
            self._stream.cut()


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
