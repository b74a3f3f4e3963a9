"""Blobs as objects of an S3 bucket, or of any store that speaks S3. The only user of obstore."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

from shared.blobs.disk import disk_errors
from shared.errors import CitewellError, NotFound, StorageFull, StorageUnavailable
from shared.settings import BlobSettings

if TYPE_CHECKING:  # obstore has this name for type checkers only
    from obstore.store import S3Config

# A blob up to this size is one request; above it a multipart upload of parts this large.
PART = 8 * 1024 * 1024
PARTS_AT_ONCE = 4
REQUESTS_AT_ONCE = 16
PING_KEY = "ping"
# How MinIO, Ceph and others say that the disk or the bucket's quota is full.
_FULL = ("StorageFull", "QuotaExceeded", "InsufficientStorage", "EntityTooLarge", "507 ")

Item = TypeVar("Item")
Done = TypeVar("Done")


class S3BlobStore:
    """Holds each blob under `prefix/key`; S3 is durable once it has answered.

    An upload that is killed leaves unfinished parts, which the bucket's lifecycle rule
    `AbortIncompleteMultipartUpload` removes; one that merely fails is aborted here.
    """

    def __init__(self, store: ObjectStore) -> None:
        """Take a configured store; any of obstore's will do, tests use its memory."""
        self._store = store

    async def write(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """Store a stream under a key; returns its size once the store has it."""
        counted = _Counted(parts)
        first = await counted.up_to(PART)
        with _as_ours(missing=StorageUnavailable):
            if counted.ended:
                await obstore.put_async(self._store, key, first, use_multipart=False)
            else:
                await obstore.put_async(
                    self._store,
                    key,
                    _chained(first, counted),
                    chunk_size=PART,
                    max_concurrency=PARTS_AT_ONCE,
                )
        return counted.size

    async def write_all(self, files: Mapping[str, bytes]) -> None:
        """Store small files, some at once."""
        await self._each(self._put, files.items())

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Stream a key's bytes in blocks of at least 1 MiB."""
        with _as_ours():
            found = await obstore.get_async(self._store, key)
            async for block in found.stream(min_chunk_size=1024 * 1024):
                yield bytes(block)

    async def fetch(self, key: str, target: Path) -> None:
        """Copy a key's bytes into a file; a failed copy leaves none."""
        try:
            with disk_errors(), target.open("wb") as file:
                async for block in self.read(key):
                    file.write(block)
        except BaseException:
            target.unlink(missing_ok=True)  # noqa: ASYNC240
            raise

    async def delete(self, key: str) -> None:
        """Remove a key; S3 answers the same whether it was there or not."""
        with _as_ours(missing=StorageUnavailable):
            await obstore.delete_async(self._store, key)

    async def free_bytes(self) -> int | None:
        """Tell of no limit: a bucket has none to ask for."""
        return None

    async def present(self, keys: Sequence[str]) -> set[str]:
        """Ask for each key's head alone."""
        there = await self._each(self._exists, keys)
        return {key for key, found in zip(keys, there, strict=True) if found}

    async def _put(self, file: tuple[str, bytes]) -> None:
        with _as_ours(missing=StorageUnavailable):
            await obstore.put_async(self._store, *file, use_multipart=False)

    async def _exists(self, key: str) -> bool:
        try:
            with _as_ours():
                await obstore.head_async(self._store, key)
        except NotFound:
            return False
        return True

    async def _each(
        self, work: Callable[[Item], Awaitable[Done]], items: Iterable[Item]
    ) -> list[Done]:
        free = asyncio.Semaphore(REQUESTS_AT_ONCE)

        async def one(item: Item) -> Done:
            async with free:
                return await work(item)

        return await asyncio.gather(*map(one, items))

    async def keys_before(self, moment: datetime) -> AsyncIterator[str]:
        """List the keys last written before `moment`; unfinished parts are not listed."""
        with _as_ours(missing=StorageUnavailable):
            async for page in obstore.list(self._store, chunk_size=1000):
                for entry in page:
                    if entry["last_modified"] < moment and entry["path"] != PING_KEY:
                        yield entry["path"]

    async def ping(self) -> None:
        """Return when the bucket takes a write, else raise."""
        with _as_ours(missing=StorageUnavailable):
            await obstore.put_async(self._store, PING_KEY, b"citewell", use_multipart=False)

    def close(self) -> None:
        """Do nothing: its connections end with the process."""


def build_s3(settings: BlobSettings, *, bucket: str, prefix: str) -> S3BlobStore:
    """Build the store of a bucket; without keys the machine's own role signs the requests."""
    config: S3Config = {"region": settings.s3_region}
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
        config["virtual_hosted_style_request"] = False
    if settings.s3_access_key_id and settings.s3_secret_access_key:
        config["access_key_id"] = settings.s3_access_key_id.get_secret_value()
        config["secret_access_key"] = settings.s3_secret_access_key.get_secret_value()
    store = S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={
            "connect_timeout": timedelta(seconds=2),
            "timeout": timedelta(minutes=5),
            "allow_http": settings.s3_endpoint.startswith("http://"),
        },
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
    )
    return S3BlobStore(store)


class _Counted:
    """A stream that counts what passes and knows when it has ended."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self.size = 0
        self.ended = False

    def __aiter__(self) -> "_Counted":
        return self

    async def __anext__(self) -> bytes:
        try:
            part = await anext(self._parts)
        except StopAsyncIteration:
            self.ended = True
            raise
        self.size += len(part)
        return part

    async def up_to(self, size: int) -> bytes:
        """Read until more than `size` bytes are held or the stream has ended."""
        held = bytearray()
        async for part in self:
            held += part
            if len(held) > size:
                break
        return bytes(held)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


@contextmanager
def _as_ours(*, missing: type[CitewellError] = NotFound) -> Iterator[None]:
    """Translate the store's errors; `missing` is what a 404 means here (no key, or no bucket)."""
    try:
        yield
    except FileNotFoundError as error:
        raise missing from error
    except BaseError as error:
        full = any(word in str(error) for word in _FULL)
        raise (StorageFull if full else StorageUnavailable) from error
