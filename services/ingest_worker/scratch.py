"""A worker process's folder for files being read: gone with the process, even one that was killed.

Whoever lives holds a lock on its folder; the next one to start removes those that nobody holds.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

PREFIX = "citewell-parse-"


class ScratchFolder:
    """A new folder, locked for as long as this process lives."""

    def __init__(self) -> None:
        """Make it, and remove those of processes that were killed."""
        self.path, self._lock = _make()
        _remove_abandoned()

    def remove(self) -> None:
        """Remove it with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _make() -> tuple[Path, int]:
    while True:
        path = Path(mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        lock = _lock(path)
        # Before it was locked, another that starts may have taken it for an abandoned one.
        if lock is not None and path.is_dir():
            return path, lock


def _remove_abandoned() -> None:
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        lock = _lock(folder)
        if lock is None:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the returned descriptor is closed; None if another has or removed it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    return None
