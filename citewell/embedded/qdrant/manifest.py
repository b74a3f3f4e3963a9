"""What the folder holds: collections with their settings and aliases, in one small JSON file.

The file is replaced in one step, so it is whole at every moment; the shards lie in folders beside
it, and a folder it does not name is left over from a killed server.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

_FILE, _LOCK, _SHARDS = "manifest.json", "lock", "shards"


class FolderTaken(Exception):
    """Another server works on the same folder."""


@dataclass(slots=True)
class Entry:
    """One collection: its shard's folder, settings as sent, payload indexes.

    `optimized` counts the points it had when it was last optimised.
    """

    folder: str
    settings: dict[str, Any]
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    optimized: int = 0


@dataclass(slots=True)
class Manifest:
    """All the collections by name, and other names for them."""

    collections: dict[str, Entry] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


class DataFolder:
    """The server's folder on disk."""

    def __init__(self, path: Path) -> None:
        """Take the folder; it is made when there is none."""
        self._path = path
        self._shards = path / _SHARDS
        self._shards.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against other servers, as long as this process lives.

        Raises:
            FolderTaken: another one holds it.
        """
        with (self._path / _LOCK).open("a+") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                message = f"{self._path} is in use by process {lock.read().strip() or 'unknown'}"
                raise FolderTaken(message) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def new_shard(self) -> str:
        """Return a name for a shard's folder that was never used before."""
        return uuid.uuid4().hex

    def shard(self, name: str) -> Path:
        """Return a shard's folder."""
        return self._shards / name

    def read(self) -> Manifest:
        """Read the manifest; an empty one in a new folder."""
        try:
            raw = from_json((self._path / _FILE).read_bytes())
        except FileNotFoundError:
            return Manifest()
        entries = {name: Entry(**entry) for name, entry in raw["collections"].items()}
        return Manifest(entries, raw["aliases"])

    def write(self, manifest: Manifest) -> None:
        """Put a manifest in place of the old one, durably."""
        fresh = self._path / f"{_FILE}.new"
        with fresh.open("wb") as file:
            file.write(to_json(asdict(manifest), indent=1))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path / _FILE)
        _sync_folder(self._path)

    def sweep(self, manifest: Manifest) -> None:
        """Remove shards that the manifest does not name."""
        kept = {entry.folder for entry in manifest.collections.values()}
        for folder in self._shards.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def remove_shard(self, name: str) -> None:
        """Remove a shard with all its points."""
        shutil.rmtree(self.shard(name), ignore_errors=True)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
