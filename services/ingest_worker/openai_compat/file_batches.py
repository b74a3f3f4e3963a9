"""`/openai/v1/vector_stores/{id}/file_batches`: many files put into a store at once."""

from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.cancelling import cancel_batch
from services.ingest_worker.openai_compat.reading import StoreFileListing, batch_attachments
from services.ingest_worker.openai_compat.schemas import (
    FileBatch,
    FileBatchRequest,
    ListResponse,
    VectorStoreFile,
)
from services.ingest_worker.openai_compat.shown import POLL_MS, file_batch
from services.ingest_worker.openai_compat.store_pages import page_of
from services.ingest_worker.routers.dependencies import Context, Loader, Reader
from services.ingest_worker.stores import find_store
from shared.database.store_files import StoreFiles
from shared.errors import NotFound
from shared.openai_ids import read_batch_id, read_store_id, shown_batch_id, shown_store_id
from shared.web.openai_errors import openai_documented

router = APIRouter(
    tags=["openai"],
    prefix="/openai/v1/vector_stores/{vector_store_id}/file_batches",
    responses=openai_documented(401, 403, 404, 503),
)


@router.post("", summary="Put files into a store", responses=openai_documented(400, 429, 507))
async def create_file_batch(
    vector_store_id: str, wish: FileBatchRequest, context: Context, caller: Loader
) -> FileBatch:
    """Make documents of kept files, all or none of them; a job reads each. May be repeated."""
    store_id, wanted = read_store_id(vector_store_id), batch_attachments(wish)
    made = await context.attacher.attach(caller.tenant_id, shown_store_id(store_id), wanted)
    async with context.database.tenant(caller.tenant_id) as connection:
        return await _found(connection, store_id, made.batch_id)


@router.get("/{batch_id}", summary="Show a batch of files")
async def get_file_batch(
    vector_store_id: str, batch_id: str, context: Context, caller: Reader, response: Response
) -> FileBatch:
    """Show how far its files are, members of archives among them."""
    async with context.database.tenant(caller.tenant_id) as connection:
        shown = await _found(connection, read_store_id(vector_store_id), read_batch_id(batch_id))
    if shown.status == "in_progress":
        response.headers["openai-poll-after-ms"] = str(POLL_MS)
    return shown


@router.post("/{batch_id}/cancel", summary="Cancel a batch of files")
async def cancel_file_batch(
    vector_store_id: str, batch_id: str, context: Context, caller: Loader
) -> FileBatch:
    """Cancel what of its files has not ended; may be repeated."""
    store_id, batch = read_store_id(vector_store_id), read_batch_id(batch_id)
    async with context.database.tenant(caller.tenant_id) as connection:
        await _found(connection, store_id, batch)
        await cancel_batch(connection, batch, grace_s=context.grace_s)
        return await _found(connection, store_id, batch)


@router.get(
    "/{batch_id}/files", summary="List the files of a batch", responses=openai_documented(400)
)
async def list_file_batch_files(
    vector_store_id: str, batch_id: str, query: StoreFileListing, context: Context, caller: Reader
) -> ListResponse[VectorStoreFile]:
    """List the files of a batch that are in the store still."""
    store_id, batch = read_store_id(vector_store_id), read_batch_id(batch_id)
    async with context.database.tenant(caller.tenant_id) as connection:
        await _found(connection, store_id, batch)
        return await page_of(connection, store_id, query, batch=batch)


async def _found(connection: AsyncConnection, store_id: UUID, batch_id: UUID) -> FileBatch:
    await find_store(connection, store_id)
    row = await StoreFiles(connection, store_id).batch(batch_id)
    if row is None:
        raise NotFound(f"The store has no file batch {shown_batch_id(batch_id)}.")
    return file_batch(row, store_id)
