"""The blob store's double: bytes in a dictionary, promises as the real ones keep them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.blobs.disk import disk_errors
from shared.errors import NotFound


class MemoryBlobStore:
    """Keeps blobs for as long as it lives."""

    def __init__(self) -> None:
        """Begin empty."""
        self._blobs: dict[str, tuple[bytes, datetime]] = {}

    async def write(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """Store a stream; an error from it leaves nothing."""
        held = b"".join([part async for part in parts])
        self._blobs[key] = (held, datetime.now(UTC))
        return len(held)

    async def write_all(self, files: Mapping[str, bytes]) -> None:
        """Store small files."""
        self._blobs.update({key: (data, datetime.now(UTC)) for key, data in files.items()})

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Stream a key's bytes in one piece."""
        yield self._get(key)

    async def fetch(self, key: str, target: Path) -> None:
        """Copy a key's bytes into a file."""
        with disk_errors():
            target.write_bytes(self._get(key))  # noqa: ASYNC240

    async def delete(self, key: str) -> None:
        """Forget a key."""
        self._blobs.pop(key, None)

    async def free_bytes(self) -> int | None:
        """Tell of no limit."""
        return None

    async def present(self, keys: Sequence[str]) -> set[str]:
        """Return the keys that are there."""
        return self._blobs.keys() & set(keys)

    async def keys_before(self, moment: datetime) -> AsyncIterator[str]:
        """List the keys written before `moment`."""
        for key, (_, written) in list(self._blobs.items()):
            if written < moment:
                yield key

    async def ping(self) -> None:
        """Return: memory always answers."""

    def close(self) -> None:
        """Keep what is held: there are no threads."""

    def _get(self, key: str) -> bytes:
        try:
            return self._blobs[key][0]
        except KeyError:
            raise NotFound(f"There is no blob {key}.") from None
