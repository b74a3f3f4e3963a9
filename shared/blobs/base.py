"""The blob store's port: uploaded bytes under keys of our choosing."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """Keeps bytes under a key (the blob row's UUID).

    Raises `StorageUnavailable` when the store does not answer, `StorageFull` when it has no room,
    `NotFound` for a key that is not there.
    """

    async def write(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """Store a stream and return its size in bytes once it is durable.

        An error from `parts` leaves nothing behind.
        """
        ...

    async def write_all(self, files: Mapping[str, bytes]) -> None:
        """Store small files by their keys; returns once all are durable.

        After an error some may be there.
        """
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """Stream the bytes of a key."""
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Copy the bytes of a key into a local file; `StorageFull` when its disk has no room."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""
        ...

    async def ping(self) -> None:
        """Return when the store takes writes, else raise."""
        ...

    def close(self) -> None:
        """Let its threads go, once what they do is done; the store is not used again."""
        ...
