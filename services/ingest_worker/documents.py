"""What is done to a document that is there: its attributes changed, the document deleted."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.attributes import checked_attributes
from services.ingest_worker.collections import CollectionKeeper
from services.ingest_worker.upkeep.deletion import delete_documents, hide_some
from shared.database.amendments import AmendedIds, Amendments
from shared.database.collections import Collections
from shared.database.documents import Documents, LockedDocument
from shared.errors import NotFound
from shared.identity import new_id


async def amend(
    connection: AsyncConnection,
    document_id: UUID,
    changes: Mapping[str, Any],
    *,
    keeper: CollectionKeeper,
    deadline_s: float,
    replace: bool = False,
) -> None:
    """Merge changes into a document's attributes (RFC 7396: null removes a name).

    With `replace` they take the place of all it has. Filters see them once the version this makes
    is live; lists and hits show them at once.

    Raises:
        NotFound: there is no such document.
        InvalidInput: a value is of another type than its name has in the collection.
    """
    shown = await Documents(connection).by_id(document_id)
    if shown is None:
        raise _no_document(document_id)
    # Locks are taken in one order everywhere: collection, documents, jobs.
    collection_id, types = await keeper.find(shown.collection, hold=True)
    await keeper.take_types(collection_id, types, changes)
    document = await _locked(connection, document_id)
    merged = ({} if replace else dict(document.attributes)) | dict(changes)
    attributes = checked_attributes({k: v for k, v in merged.items() if v is not None})
    if attributes == document.attributes:
        return
    await Documents(connection).set_attributes(document_id, json.dumps(attributes))
    amendments = Amendments(connection, document_id)
    source_id = await amendments.source()
    if source_id is not None:
        ids = AmendedIds(batch_id=new_id(), version_id=new_id(), job_id=new_id())
        await amendments.copy(source_id, ids, deadline_s=deadline_s)


async def delete_document(
    connection: AsyncConnection, document_id: UUID, *, grace_s: float
) -> None:
    """Make a document invisible to every query that begins after this transaction.

    Raises:
        NotFound: there is no such document.
    """
    await _locked(connection, document_id)
    await delete_documents(connection, [document_id], grace_s=grace_s)


async def delete_collection(connection: AsyncConnection, name: str, *, grace_s: float) -> None:
    """Make a collection with all its documents invisible; its index is dropped by `bury`.

    Of a large one the work under way is stopped by `bury` too, slice by slice.

    Raises:
        NotFound: there is no such collection.
    """
    collections = Collections(connection)
    collection_id = await collections.lock(name)
    if collection_id is None:
        raise NotFound(f"There is no collection `{name}`.")
    await collections.delete(collection_id)
    await hide_some(connection, collection_id, grace_s=grace_s)


async def _locked(connection: AsyncConnection, document_id: UUID) -> LockedDocument:
    document = await Documents(connection).lock(document_id)
    if document is None:
        raise _no_document(document_id)
    return document


def _no_document(document_id: UUID) -> NotFound:
    return NotFound(f"There is no document {document_id}.")
