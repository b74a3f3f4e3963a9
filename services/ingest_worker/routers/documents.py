"""`/v1/documents` and `/v1/chunks`: what was ingested, its versions, bytes and chunks."""

from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from services.ingest_worker.attributes import checked_attributes
from services.ingest_worker.documents import amend, delete_document
from services.ingest_worker.routers.accepted import accepted, worded
from services.ingest_worker.routers.attachment import Attachment, attachment
from services.ingest_worker.routers.dependencies import Context, Loader, Reader, keeper_of
from services.ingest_worker.schemas import (
    ChunkResponse,
    DocumentPatch,
    DocumentResponse,
    Page,
    ShortText,
    UploadResponse,
    VersionResponse,
)
from shared.database.collections import DEFAULT_COLLECTION
from shared.database.documents import DocumentFilter, DocumentRow, Documents
from shared.database.job_views import ChunkViews
from shared.database.versions import Versions
from shared.errors import NotFound
from shared.models import JobState
from shared.web.paging import Cursor, Limit, cursor_of, id_after, number_after, page
from shared.web.problems import documented

Found = TypeVar("Found")

router = APIRouter(prefix="/v1/documents", tags=["documents"], responses=documented(401, 403, 503))


@router.get("", summary="List documents", responses=documented(404, 422))
async def list_documents(
    *,
    context: Context,
    caller: Reader,
    collection: str = DEFAULT_COLLECTION,
    state: JobState | None = None,
    name: Annotated[ShortText | None, Query(description="The whole name, as sent.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DocumentResponse]:
    """List a collection's documents, oldest first."""
    after = id_after(cursor)
    async with context.database.tenant(caller.tenant_id) as connection:
        collection_id, _ = await keeper_of(context, caller, connection).find(collection)
        wanted = DocumentFilter(collection_id, name, state)
        rows = await Documents(connection).listed(wanted, after=after, limit=limit + 1)
    shown, more = page(rows, limit)
    return Page(
        items=[_shown(row) for row in shown],
        next_cursor=cursor_of(shown[-1].id) if more else None,
    )


@router.get("/{document_id}", summary="Show a document", responses=documented(404, 422))
async def get_document(document_id: UUID, context: Context, caller: Reader) -> DocumentResponse:
    """Show one document."""
    async with context.database.tenant(caller.tenant_id) as connection:
        return _shown(_found(await Documents(connection).by_id(document_id), document_id))


@router.patch(
    "/{document_id}", summary="Change a document's attributes", responses=documented(404, 422)
)
async def patch_document(
    document_id: UUID, patch: DocumentPatch, context: Context, caller: Loader
) -> DocumentResponse:
    """Merge attributes into a document's (RFC 7396: null removes a name).

    Lists and hits show them at once; filters see them when the version this makes is live.
    """
    changes = checked_attributes(patch.attributes)
    async with context.database.tenant(caller.tenant_id) as connection:
        await amend(
            connection,
            document_id,
            changes,
            keeper=keeper_of(context, caller, connection),
            deadline_s=context.settings.ingest.job_deadline_s,
        )
        shown = _shown(_found(await Documents(connection).by_id(document_id), document_id))
    context.wake()
    return shown


@router.delete(
    "/{document_id}",
    status_code=204,
    summary="Delete a document",
    responses=documented(404, 422),
)
async def delete_one_document(document_id: UUID, context: Context, caller: Loader) -> None:
    """Delete a document; no query that starts after this answer sees it."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await delete_document(connection, document_id, grace_s=context.grace_s)


@router.get("/{document_id}/versions", summary="List versions", responses=documented(404, 422))
async def list_versions(
    document_id: UUID,
    context: Context,
    caller: Reader,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[VersionResponse]:
    """List a document's versions, newest first."""
    below = number_after(cursor)
    async with context.database.tenant(caller.tenant_id) as connection:
        _found(await Documents(connection).by_id(document_id), document_id)
        rows = await Versions(connection).listed(document_id, below=below, limit=limit + 1)
    shown, more = page(rows, limit)
    return Page(
        items=[VersionResponse.model_validate(row, from_attributes=True) for row in shown],
        next_cursor=cursor_of(shown[-1].version) if more else None,
    )


@router.post(
    "/{document_id}/versions/{number}/restore",
    status_code=202,
    summary="Restore a version",
    response_model=UploadResponse,
    responses=documented(404, 422),
)
async def restore_version(
    document_id: UUID,
    number: Annotated[int, Path(ge=1, le=2**31 - 1, description="The version to bring back.")],
    context: Context,
    caller: Loader,
) -> Response:
    """Make a new version from an old one's bytes and options; answered like an upload.

    Where the newest version is the same already, there is no work.
    """
    restored = await context.restorer.restore(caller.tenant_id, document_id, number)
    context.wake()
    return accepted(worded(restored))


@router.get(
    "/{document_id}/content",
    summary="Download the original bytes",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file as sent."},
        **documented(404, 422),
    },
)
async def get_content(
    document_id: UUID,
    context: Context,
    caller: Reader,
    version: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="The live one, else the newest.")
    ] = None,
) -> StreamingResponse:
    """Stream a version's bytes as an attachment."""
    async with context.database.tenant(caller.tenant_id) as connection:
        stored = await Documents(connection).bytes_of(document_id, version)
    found = _found(stored, document_id)
    sent = Attachment(found.name, found.size, found.media_type)
    return await attachment(context.blobs.read(str(found.blob_id)), sent)


@router.get(
    "/{document_id}/chunks", summary="List a document's chunks", responses=documented(404, 422)
)
async def list_chunks(
    document_id: UUID,
    context: Context,
    caller: Reader,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ChunkResponse]:
    """List the chunks of a document's live version in their order."""
    after = number_after(cursor)
    async with context.database.tenant(caller.tenant_id) as connection:
        _found(await Documents(connection).by_id(document_id), document_id)
        rows = await ChunkViews(connection).listed(document_id, after=after, limit=limit + 1)
    shown, more = page(rows, limit)
    return Page(
        items=[ChunkResponse.model_validate(row, from_attributes=True) for row in shown],
        next_cursor=cursor_of(shown[-1].ordinal) if more else None,
    )


def _shown(row: DocumentRow) -> DocumentResponse:
    return DocumentResponse.model_validate(row, from_attributes=True)


def _found(row: Found | None, document_id: UUID) -> Found:
    if row is None:
        raise NotFound(f"There is no document {document_id}.")
    return row
