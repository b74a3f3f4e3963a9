"""Blobs as files of a folder, on the disk before `write` returns.

Not through obstore: its local store renames without ever syncing, and a 202 would not be durable
(see docs/decisions, "Blob durability").
"""

import asyncio
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from shared.blobs.disk import disk_errors
from shared.errors import InvalidInput

P = ParamSpec("P")
T = TypeVar("T")

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,63}")
BLOCK = 1024 * 1024
THREADS = 8
INCOMING = "incoming"


class FolderBlobStore:
    """Writes to `incoming/`, syncs, then renames into one of 256 folders and syncs that folder.

    Works on one machine, or on a network file system that syncs when asked to.
    """

    def __init__(self, root: Path) -> None:
        """Take the folder; it is made on first use, readable by its owner alone."""
        self._root = root
        self._incoming = root / INCOMING
        # Its own threads: a hanging disk must not take those that resolve host names.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

    async def write(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """Store a stream under a key; returns its size once file and folder are synced."""
        piece = self._piece(key)
        writer = _Writer(piece)
        try:
            async for block in _blocks(parts):
                await self._run(writer.write, block)
            await self._run(self._keep, writer, key)
        except BaseException:
            await self._run(writer.discard)
            raise
        return writer.size

    async def write_all(self, files: Mapping[str, bytes]) -> None:
        """Store small files, some by each thread: it waits mostly for the disk."""
        some = [list(files.items())[first::THREADS] for first in range(min(THREADS, len(files)))]
        await asyncio.gather(*(self._run(self._write_some, one) for one in some))

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Stream a key's bytes in blocks of 1 MiB."""
        source = await self._run(self._open, key)
        try:
            while block := await self._run(source.read, BLOCK):
                yield block
        finally:
            source.close()

    async def fetch(self, key: str, target: Path) -> None:
        """Copy a key's bytes into a file; a failed copy leaves none."""
        await self._run(_copy, self._path(key), target)

    async def delete(self, key: str) -> None:
        """Remove a key, and the piece an unfinished write of it left."""
        await self._run(self._remove, key)

    async def free_bytes(self) -> int | None:
        """Return what the folder's disk has left for those who are not root."""
        return await self._run(self._free)

    async def present(self, keys: Sequence[str]) -> set[str]:
        """Return the keys whose files are there."""
        return await self._run(self._there, keys)

    async def keys_before(self, moment: datetime) -> AsyncIterator[str]:
        """List the keys of files and pieces last written before `moment`."""
        for key in await self._run(self._old, moment.timestamp()):
            yield key

    async def ping(self) -> None:
        """Return when a file can be made and written here, else raise."""
        await self._run(self._try_write)

    def close(self) -> None:
        """Let the threads go, once what they do is done."""
        self._threads.shutdown(wait=False)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do blocking work in a thread; a cancelled caller waits for it, so nothing runs behind."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, lambda: _translated(work, *args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def _free(self) -> int:
        folder = self._root
        # Before the first write there is no folder; the disk is that of the nearest one above.
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def _path(self, key: str) -> Path:
        # A UUIDv7 begins with its time, so its end spreads the files.
        return self._root / self._checked(key)[-2:].lower() / key

    def _piece(self, key: str) -> Path:
        return self._incoming / self._checked(key)

    @staticmethod
    def _checked(key: str) -> str:
        if not KEY.fullmatch(key):
            raise InvalidInput("A blob's key is letters, digits, `-` and `_`.")
        return key

    def _write_some(self, files: Sequence[tuple[str, bytes]]) -> None:
        for key, data in files:
            writer = _Writer(self._piece(key))
            try:
                writer.write(data)
                self._keep(writer, key)
            except BaseException:
                writer.discard()
                raise

    def _there(self, keys: Sequence[str]) -> set[str]:
        return {key for key in keys if self._path(key).is_file()}

    def _keep(self, writer: "_Writer", key: str) -> None:
        writer.sync()
        target = self._path(key)
        _make_folder(target.parent)
        writer.path.replace(target)
        _sync_folder(target.parent)

    def _open(self, key: str) -> BinaryIO:
        return self._path(key).open("rb")

    def _remove(self, key: str) -> None:
        # Not synced: a file that comes back after a power cut is an orphan, and is found as one.
        self._piece(key).unlink(missing_ok=True)
        self._path(key).unlink(missing_ok=True)

    def _old(self, before: float) -> list[str]:
        return [
            path.name
            for folder in self._folders()
            for path in folder.iterdir()
            if _written(path) < before
        ]

    def _folders(self) -> Iterator[Path]:
        if self._root.is_dir():
            yield from (folder for folder in self._root.iterdir() if folder.is_dir())

    def _try_write(self) -> None:
        _make_folder(self._incoming)
        probe = self._incoming / f"ping-{uuid.uuid4().hex}"
        try:
            probe.write_bytes(b"citewell")
        finally:
            probe.unlink(missing_ok=True)


class _Writer:
    """One file being written; made with the first block, or at the end for an empty stream."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._file: BinaryIO | None = None

    def write(self, block: bytes) -> None:
        self._opened().write(block)
        self.size += len(block)

    def sync(self) -> None:
        with self._opened() as file:
            file.flush()
            os.fsync(file.fileno())

    def discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self.path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            _make_folder(self.path.parent)
            # `x`: two writes of one key at once would mix their bytes.
            self._file = self.path.open("xb", buffering=0)
        return self._file


async def _blocks(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Gather a stream into blocks of about 1 MiB: a thread hop for each network read is slow."""
    held: list[bytes] = []
    size = 0
    async for part in parts:
        held.append(part)
        size += len(part)
        if size >= BLOCK:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


def _translated(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    with disk_errors():
        return work(*args, **kwargs)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _make_folder(folder: Path) -> None:
    """Make a folder and sync its parent, or its name could be lost with the power."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
