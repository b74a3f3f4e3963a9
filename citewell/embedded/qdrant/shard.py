"""One shard of the engine: loaded when first used, one call at a time, closed when long unused.

The engine holds the interpreter's lock during a call, so more at a time would gain nothing.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import BinaryIO, TypeVar

import qdrant_edge as edge

from citewell.embedded.qdrant.refusals import Missing, Refused

T = TypeVar("T")
_COPIED_AT_ONCE = 1 << 20
_LEAST_ROOM = 64 << 20  # two files of the write-ahead log


class Shard:
    """The points of one collection.

    Attributes:
        writes: Points written and deletions asked for since the process began.
        used_at, written_at: When it was last used and last written to, on the monotonic clock.
    """

    def __init__(self, folder: Path, config: edge.EdgeConfig) -> None:
        """Take the folder of a shard that exists; nothing is opened before the first call."""
        self.writes = 0
        self.used_at = self.written_at = time.monotonic()
        self._folder = folder
        self._config = config
        self._engine: edge.EdgeShard | None = None
        self._dirty_since: float | None = None
        self._gone = False
        self._lock = RLock()

    @staticmethod
    def create(folder: Path, config: edge.EdgeConfig) -> None:
        """Make a new, empty shard."""
        folder.mkdir(parents=True)
        edge.EdgeShard.create(str(folder), config).close()

    @property
    def is_open(self) -> bool:
        """Whether the engine has it loaded."""
        return self._engine is not None

    @property
    def dirty_s(self) -> float:
        """How long its oldest change has been in the log alone; 0 if all is on disk."""
        since = self._dirty_since
        return 0.0 if since is None else time.monotonic() - since

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other call away meanwhile."""
        with self._lock:
            yield

    def read(self, call: Callable[[edge.EdgeShard], T]) -> T:
        """Return what a call that changes nothing returns."""
        with self._lock:
            return call(self._loaded())

    def write(self, operation: edge.UpdateOperation, *, size: int = 1) -> None:
        """Apply an update; it is in the write-ahead log when this returns."""
        with self._lock:
            engine = self._loaded()
            self._check_room()
            self.written_at = time.monotonic()
            self._dirty_since = self._dirty_since or self.written_at
            self.writes += size  # also of a failing one: it may have changed a part
            engine.update(operation)

    def flush(self) -> None:
        """Write the segments to disk, so that the log stays short."""
        with self._lock:
            if self._engine is not None and self._dirty_since is not None:
                self._engine.flush()
                self._dirty_since = None

    def reconfigure(self, config: edge.EdgeConfig) -> None:
        """Use another configuration from the next load on, which is soon."""
        with self._lock:
            self.close()
            self._config = config

    def copy_to(self, folder: Path) -> int:
        """Copy a consistent state into a new folder and return `writes` as of that state."""
        with self._lock:
            self._loaded()
            self.flush()
            shutil.copytree(self._folder, folder, copy_function=_copy_with_holes)
            return self.writes

    def move_to(self, folder: Path, commit: Callable[[int], None]) -> None:
        """Go on in another folder, which holds the same points.

        `commit` is handed their number once they could be loaded; if anything fails before it
        returns, the shard goes on where it was.
        """
        with self._lock:
            self.close()  # first: both at once would take twice the memory
            fresh = edge.EdgeShard.load(str(folder), self._config)
            try:
                commit(fresh.info().points_count)
            except OSError:
                fresh.close()
                raise
            self._engine, self._folder = fresh, folder

    def close(self) -> None:
        """Put everything on disk and unload it."""
        with self._lock:
            engine, self._engine = self._engine, None
            self._dirty_since = None
            if engine is not None:
                engine.close()

    def drop(self) -> None:
        """Unload it for good; requests that still wait for it are refused."""
        with self._lock:
            self._gone = True
            self.writes += 1  # whoever copied it sees that the copy is out of date
            self.close()

    def _loaded(self) -> edge.EdgeShard:
        if self._gone:
            raise Missing("the collection was deleted meanwhile")
        self.used_at = time.monotonic()
        if self._engine is None:
            self._engine = edge.EdgeShard.load(str(self._folder), self._config)
        return self._engine

    def _check_room(self) -> None:
        """Refuse while the disk is full: the files are mapped, and would end the process."""
        if shutil.disk_usage(self._folder).free < _LEAST_ROOM:
            raise Refused("Service internal error: No space left on device")


def _copy_with_holes(source: str, target: str) -> None:
    """Copy a file's written ranges; the engine reserves far more room than it fills."""
    with Path(source).open("rb") as read, Path(target).open("xb") as written:
        end = os.fstat(read.fileno()).st_size
        written.truncate(end)
        for start, stop in _written_ranges(read.fileno(), end):
            read.seek(start)
            written.seek(start)
            _copy(read, written, stop - start)


def _copy(read: BinaryIO, written: BinaryIO, size: int) -> None:
    while size and (part := read.read(min(_COPIED_AT_ONCE, size))):
        written.write(part)
        size -= len(part)


def _written_ranges(file: int, end: int) -> Iterator[tuple[int, int]]:
    stop = 0
    while stop < end:
        try:
            start = os.lseek(file, stop, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        stop = os.lseek(file, start, os.SEEK_HOLE)
        yield start, stop
