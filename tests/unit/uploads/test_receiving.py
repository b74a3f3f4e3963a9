"""Receiving: files go straight to the store, and a body that fails leaves none of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typing_extensions import override

from services.ingest_worker.uploads import writes
from services.ingest_worker.uploads.receiving import (
    MAX_NAME_BYTES,
    SMALL_BYTES,
    Received,
    ReceivedFile,
    RefusedFile,
    checked_name,
    receive,
)
from services.ingest_worker.uploads.writes import PIECES_AHEAD, WRITES_AT_ONCE, Sink, SmallFile
from shared.blobs.folder import FolderBlobStore
from shared.blobs.memory import MemoryBlobStore
from shared.errors import (
    CitewellError,
    FileEmpty,
    FileTooLarge,
    InvalidInput,
    PayloadTooLarge,
    StorageFull,
)
from shared.settings import IngestSettings
from tests.unit.uploads.test_multipart import BOUNDARY, CONTENT_TYPE, body

Part = tuple[str, bytes]


def file(name: str, content: bytes) -> Part:
    return f'name="file"; filename="{name}"', content


async def pieces(raw: bytes, size: int = 64) -> AsyncIterator[bytes]:
    for begin in range(0, len(raw), size):
        await asyncio.sleep(0)
        yield raw[begin : begin + size]


class Store(MemoryBlobStore):
    """Counts writes under way; may be slow, or full."""

    def __init__(self, *, error: CitewellError | None = None) -> None:
        super().__init__()
        self.most = 0
        self._under_way = 0
        self._error = error

    @override
    async def write(self, key: str, parts: AsyncIterator[bytes]) -> int:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        try:
            if self._error:
                await anext(parts)
                raise self._error
            size = await super().write(key, parts)
            await asyncio.sleep(0.001)
            return size
        finally:
            self._under_way -= 1

    async def put(self, files: Sequence[SmallFile]) -> set[UUID]:
        for file in files:
            await self.write(str(file.blob_id), pieces(file.data))
        return {file.blob_id for file in files}

    @property
    def kept(self) -> list[bytes]:
        return [held for held, _ in self._blobs.values()]


class Folder(FolderBlobStore):
    """A folder that knows nothing yet."""

    async def put(self, files: Sequence[SmallFile]) -> set[UUID]:
        await self.write_all({str(file.blob_id): file.data for file in files})
        return {file.blob_id for file in files}


async def received(store: Sink, *parts: Part, **limits: Any) -> Received:
    return await receive(
        pieces(body(*parts)),
        content_type=CONTENT_TYPE,
        sink=store,
        limits=IngestSettings(**limits),
    )


def names(got: Received, kind: type[ReceivedFile | RefusedFile]) -> list[str]:
    return [file.name for file in got.files if isinstance(file, kind)]


async def test_fields_may_come_in_any_order() -> None:
    got = await received(
        Store(),
        ('name="collection"', b"papers"),
        file("a", b"one"),
        ('name="password"', "geheim ü".encode()),
        file("b", b"two"),
        ('name="options"', b"{}"),
    )
    assert got.fields == {"collection": "papers", "password": "geheim ü", "options": "{}"}
    assert names(got, ReceivedFile) == ["a", "b"]


async def test_a_file_is_stored_and_hashed_as_it_passes() -> None:
    store, content = Store(), bytes(range(256)) * 1000
    got = await received(store, file("a", content))
    [one] = got.files
    assert isinstance(one, ReceivedFile)
    assert one.sha256 == hashlib.sha256(content).digest()
    assert one.size == len(content)
    assert store.kept == [content]
    assert got.blob_ids == [one.blob_id]


async def test_a_file_over_the_limit_is_refused_and_not_stored() -> None:
    store = Store()
    got = await received(
        store, file("big", b"x" * 1001), file("fits", b"x" * 1000), max_file_bytes=1000
    )
    assert names(got, ReceivedFile) == ["fits"]
    [refused] = [one for one in got.files if isinstance(one, RefusedFile)]
    assert isinstance(refused.error, FileTooLarge)
    assert len(store.kept) == 1


async def test_an_empty_file_is_refused() -> None:
    store = Store()
    got = await received(store, file("empty", b""), file("full", b"x"))
    [refused] = [one for one in got.files if isinstance(one, RefusedFile)]
    assert isinstance(refused.error, FileEmpty)
    assert store.kept == [b"x"]


@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME_BYTES + 1), "a\x07b", "é" * MAX_NAME_BYTES])
async def test_a_name_that_cannot_be_kept_refuses_that_file_alone(name: str) -> None:
    store = Store()
    got = await received(store, file(name, b"content"), file("good", b"x"))
    assert names(got, RefusedFile) == [name]
    assert names(got, ReceivedFile) == ["good"]
    assert store.kept == [b"x"]


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\x7fb", "a\x85b", None])
def test_control_characters_are_no_names(name: str | None) -> None:
    with pytest.raises(InvalidInput):
        checked_name(name)


@pytest.mark.parametrize("name", ["..", "/", "a\\b", "x" * MAX_NAME_BYTES, "🦊", "\u202ea"])
def test_anything_else_is_a_name(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("parts", "limits", "error"),
    [
        ([file("a", b"x" * 500), file("b", b"x" * 600)], {"max_request_bytes": 1000}, "1000 bytes"),
        ([file(str(n), b"x") for n in range(4)], {"max_files": 3}, "3 files"),
    ],
    ids=["bytes", "files"],
)
async def test_a_request_over_a_limit_leaves_nothing(
    parts: list[Part], limits: dict[str, Any], error: str
) -> None:
    store = Store()
    with pytest.raises(PayloadTooLarge, match=error):
        await received(store, *parts, **limits)
    assert store.kept == []


@pytest.mark.parametrize(
    "parts",
    [
        [('name="a"', b"1"), ('name="a"', b"2")],
        [(f'name="f{n}"', b"1") for n in range(40)],
        [('name="a"', b"x" * 200_000)],
        [('name="a"', b"\xff")],
        [('name="a"', b"\0")],
    ],
    ids=["twice", "many", "long", "not UTF-8", "NUL"],
)
async def test_a_bad_field_leaves_nothing(parts: list[Part]) -> None:
    store = Store()
    with pytest.raises(InvalidInput):
        await received(store, file("a", b"one"), *parts)
    assert store.kept == []


@pytest.mark.parametrize("end", [30, 120, 200, -1])
async def test_a_body_that_is_cut_leaves_nothing(tmp_path: Path, end: int) -> None:
    whole = body(file("a", b"one" * 20), file("b", b"two" * 20))

    async def cut() -> AsyncIterator[bytes]:
        async for piece in pieces(whole[:end], size=10):
            yield piece
        raise InvalidInput("cut")

    store = Folder(tmp_path)
    with pytest.raises(InvalidInput):
        await receive(cut(), content_type=CONTENT_TYPE, sink=store, limits=IngestSettings())
    assert not left(tmp_path)


async def test_a_request_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    stuck = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield body(file("a", b"one"), file("b", b"x" * 5_000_000))[:3_000_000]
        stuck.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(
        receive(
            hanging(),
            content_type=CONTENT_TYPE,
            sink=Folder(tmp_path),
            limits=IngestSettings(),
        )
    )
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not left(tmp_path)


async def test_a_body_without_its_end_is_refused() -> None:
    store = Store()
    with pytest.raises(InvalidInput, match="closing boundary"):
        await receive(
            pieces(body(file("a", b"one"))[:-8]),
            content_type=CONTENT_TYPE,
            sink=store,
            limits=IngestSettings(),
        )
    assert store.kept == []


async def test_a_full_store_fails_the_request_before_its_last_byte() -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        async for piece in pieces(body(file("a", b"x" * 1_000_000)), size=1000):
            read += len(piece)
            yield piece

    store = Store(error=StorageFull())
    with pytest.raises(StorageFull):
        await receive(counted(), content_type=CONTENT_TYPE, sink=store, limits=IngestSettings())
    assert read < 500_000
    assert store.kept == []


async def test_small_files_are_written_side_by_side_but_not_without_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writes, "GROUP_FILES", 2)
    store = Store()
    got = await received(store, *(file(str(n), b"x") for n in range(50)))
    assert names(got, ReceivedFile) == [str(n) for n in range(50)]
    assert 1 < store.most <= WRITES_AT_ONCE


async def test_a_slow_store_holds_up_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "STOP_S", 0.05)
    sent = 0

    class Stalled(Store):
        @override
        async def write(self, key: str, parts: AsyncIterator[bytes]) -> int:
            await asyncio.sleep(60)
            return 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield body(file("a", b""))[: -len(f"\r\n--{BOUNDARY}--\r\n")]
        while True:
            sent += 1
            yield b"x" * 1024

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await receive(
                endless(), content_type=CONTENT_TYPE, sink=Stalled(), limits=IngestSettings()
            )
    assert sent <= SMALL_BYTES / 1024 + PIECES_AHEAD + 3


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
