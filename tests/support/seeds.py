"""Rows to begin a test with: a tenant's collection, and documents as an upload leaves them."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, insert, select, text

from shared.database.engine import Database
from shared.database.parts import PartKey
from shared.database.tables import (
    batches,
    blobs,
    collections,
    documents,
    indexes,
    jobs,
    parts,
    versions,
)
from shared.identity import new_id

FAKE_SPACE = "fake/bytes"


@dataclass(frozen=True, slots=True)
class Seeded:
    """The ids of one uploaded version."""

    tenant_id: str
    collection_id: UUID
    index_id: UUID
    document_id: UUID
    version_id: UUID
    blob_id: UUID
    batch_id: UUID
    job_id: UUID

    @property
    def part(self) -> PartKey:
        return PartKey(self.version_id, 0)


async def seed_collection(
    database: Database, tenant_id: str = "acme", space: str = FAKE_SPACE
) -> tuple[UUID, UUID]:
    """Make a collection with its index; return both ids."""
    collection_id, index_id = new_id(), new_id()
    async with database.worker() as connection:
        await connection.execute(
            insert(collections).values(
                id=collection_id,
                tenant_id=tenant_id,
                name=str(collection_id),
                active_index=index_id,
            )
        )
        await connection.execute(
            insert(indexes).values(
                id=index_id,
                tenant_id=tenant_id,
                collection_id=collection_id,
                space=space,
                chunker="1",
            )
        )
    return collection_id, index_id


async def seed_upload(
    database: Database,
    collection: tuple[UUID, UUID],
    *,
    tenant_id: str = "acme",
    filename: str = "a.txt",
    document_id: UUID | None = None,
    version: int = 1,
    bulk: bool = False,
) -> Seeded:
    """Leave one file as an upload leaves it: queued, one part, no plan."""
    seeded = Seeded(
        tenant_id=tenant_id,
        collection_id=collection[0],
        index_id=collection[1],
        document_id=document_id or new_id(),
        version_id=new_id(),
        blob_id=new_id(),
        batch_id=new_id(),
        job_id=new_id(),
    )
    async with database.worker() as connection:
        if document_id is None:
            await connection.execute(
                insert(documents).values(
                    id=seeded.document_id,
                    tenant_id=tenant_id,
                    collection_id=seeded.collection_id,
                    name=filename,
                    newest_version=version,
                )
            )
        for statement in _rows(seeded, filename=filename, version=version, bulk=bulk):
            await connection.execute(statement)
    return seeded


def _rows(seeded: Seeded, *, filename: str, version: int, bulk: bool) -> list[Insert]:
    owner = {"tenant_id": seeded.tenant_id}
    digest = hashlib.sha256(seeded.blob_id.bytes).digest()
    return [
        insert(blobs).values(id=seeded.blob_id, sha256=digest, size=1, **owner),
        insert(versions).values(
            id=seeded.version_id,
            document_id=seeded.document_id,
            number=version,
            blob_id=seeded.blob_id,
            **owner,
        ),
        insert(batches).values(
            id=seeded.batch_id, collection_id=seeded.collection_id, total=1, **owner
        ),
        insert(jobs).values(
            id=seeded.job_id,
            batch_id=seeded.batch_id,
            collection_id=seeded.collection_id,
            document_id=seeded.document_id,
            version_id=seeded.version_id,
            version=version,
            filename=filename,
            state="queued",
            stage="parse",
            parts_total=1,
            parts_left=1,
            deadline=text("now() + interval '1 day'"),
            **owner,
        ),
        insert(parts).values(
            version_id=seeded.version_id, number=0, job_id=seeded.job_id, bulk=bulk, **owner
        ),
    ]


async def job_row(database: Database, job_id: UUID) -> dict[str, Any]:
    """Read a job's row as it stands."""
    async with database.worker() as connection:
        row = (await connection.execute(select(jobs).where(jobs.c.id == job_id))).mappings().one()
        return dict(row)


async def live_version(database: Database, document_id: UUID) -> int | None:
    """Read which version of a document queries see."""
    async with database.worker() as connection:
        result = await connection.execute(
            select(documents.c.live_version).where(documents.c.id == document_id)
        )
        live: int | None = result.scalar_one()
        return live
