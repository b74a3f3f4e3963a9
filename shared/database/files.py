"""Kept files: bytes under a name, in no collection, of which documents may be made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.windows import Window
from shared.errors import NotFound
from shared.openai_ids import shown_file_id

ADD = text("""
INSERT INTO files (id, tenant_id, blob_id, filename, purpose)
VALUES (:id, :tenant_id, :blob_id, :filename, :purpose) RETURNING created_at
""")
SHOWN = """
SELECT f.id, f.filename, f.purpose, f.created_at, f.blob_id, b.size, b.sha256
FROM files f JOIN blobs b ON b.id = f.blob_id
"""
BY_IDS = text(f"{SHOWN} WHERE f.id = ANY(:ids)")
LISTED = {
    direction: text(f"""
{SHOWN} WHERE f.id > :low AND f.id < :high
  AND (CAST(:purpose AS text) IS NULL OR f.purpose = :purpose)
ORDER BY f.id {direction} LIMIT :limit
""")
    for direction in ("ASC", "DESC")
}
# One at a time makes documents of a file; who only refers to it waits for nobody.
LOCK = text(f"{SHOWN} WHERE f.id = ANY(:ids) ORDER BY f.id FOR NO KEY UPDATE OF f")
TAKE = text("SELECT blob_id FROM files WHERE id = :id FOR UPDATE")
DELETE = text("DELETE FROM files WHERE id = :id")
LOCK_DOCUMENTS = text("""
SELECT d.id FROM documents d JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
WHERE d.file_id = :id AND d.deleted_at IS NULL ORDER BY d.id FOR UPDATE OF d
""")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to keep."""

    id: UUID
    tenant_id: str
    blob_id: UUID
    filename: str
    purpose: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """A kept file; `size` is in bytes."""

    id: UUID
    filename: str
    purpose: str
    created_at: datetime
    blob_id: UUID
    size: int
    sha256: bytes


def no_file(file_id: UUID) -> NotFound:
    """Return the error for a file that is not there."""
    return NotFound(f"There is no file {shown_file_id(file_id)}.")


class Files:
    """The tenant's kept files, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def add(self, new: NewFile) -> datetime:
        """Insert a file, whose blob's row must be there; return when it was made."""
        parameters = {name: getattr(new, name) for name in new.__slots__}
        added: datetime = (await self._connection.execute(ADD, parameters)).scalar_one()
        return added

    async def by_id(self, file_id: UUID) -> FileRow | None:
        """Return a file; None when there is none."""
        return (await self.by_ids([file_id])).get(file_id)

    async def by_ids(self, file_ids: Sequence[UUID]) -> dict[UUID, FileRow]:
        """Return those of these files that are there."""
        result = await self._connection.execute(BY_IDS, {"ids": list(file_ids)})
        return {row["id"]: FileRow(**row) for row in result.mappings()}

    async def listed(self, window: Window, *, purpose: str | None) -> list[FileRow]:
        """Return the files of a window, and one more if there is one."""
        result = await self._connection.execute(
            LISTED[window.direction], window.bind | {"purpose": purpose}
        )
        return [FileRow(**row) for row in result.mappings()]

    async def lock(self, file_ids: Sequence[UUID]) -> dict[UUID, FileRow]:
        """Lock those of these files that are there; comes before the locks of documents.

        Nobody deletes them or makes documents of them until the transaction ends.
        """
        result = await self._connection.execute(LOCK, {"ids": list(file_ids)})
        return {row["id"]: FileRow(**row) for row in result.mappings()}

    async def take(self, file_id: UUID) -> UUID | None:
        """Lock a file for its deletion and return its blob; None when there is none."""
        return (await self._connection.execute(TAKE, {"id": file_id})).scalar_one_or_none()

    async def lock_documents(self, file_id: UUID) -> list[UUID]:
        """Lock the visible documents made of a file, in whatever collection, and return them."""
        return list((await self._connection.execute(LOCK_DOCUMENTS, {"id": file_id})).scalars())

    async def delete(self, file_id: UUID) -> None:
        """Delete a file's row; its blob may be needed by others."""
        await self._connection.execute(DELETE, {"id": file_id})
