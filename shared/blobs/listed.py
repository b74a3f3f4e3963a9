"""A blob store that can also tell what it holds: for finding what a killed upload left behind."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from shared.blobs.base import BlobStore


class ListedBlobStore(BlobStore, Protocol):
    """What `build_blob_store` gives; the clean-up and the upload door need it."""

    async def free_bytes(self) -> int | None:
        """Return the room that is left, in bytes; None where the store does not tell."""
        ...

    async def present(self, keys: Sequence[str]) -> set[str]:
        """Return the keys whose bytes are there, without reading them."""
        ...

    def keys_before(self, moment: datetime) -> AsyncIterator[str]:
        """List the keys last written before `moment`, pieces of unfinished writes included.

        `delete` of such a key removes the pieces too.
        """
        ...
