"""`/openai/v1/vector_stores/{id}/files`: a store's files, documents of its collection."""

from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from services.ingest_worker.attributes import checked_attributes
from services.ingest_worker.documents import amend, delete_document
from services.ingest_worker.openai_compat.reading import (
    StoreFileListing,
    attachment,
    refuse_static,
)
from services.ingest_worker.openai_compat.schemas import (
    FileContentPage,
    ListResponse,
    TextPiece,
    VectorStoreFile,
    VectorStoreFileDeleted,
    VectorStoreFilePatch,
    VectorStoreFileRequest,
)
from services.ingest_worker.openai_compat.shown import POLL_MS, store_file
from services.ingest_worker.openai_compat.store_pages import found, page_of
from services.ingest_worker.parsed_text import packed_text, pieces_of_text
from services.ingest_worker.routers.dependencies import Context, Loader, Reader, keeper_of
from services.ingest_worker.stores import find_store
from shared.errors import Conflict
from shared.openai_ids import read_file_id, read_store_id, shown_store_id
from shared.web.openai_errors import openai_documented

router = APIRouter(
    tags=["openai"],
    prefix="/openai/v1/vector_stores/{vector_store_id}/files",
    responses=openai_documented(401, 403, 404, 503),
)


@router.post("", summary="Put a file into a store", responses=openai_documented(400, 429, 507))
async def create_vector_store_file(
    vector_store_id: str, wish: VectorStoreFileRequest, context: Context, caller: Loader
) -> VectorStoreFile:
    """Make a document of a kept file; a job reads it. May be repeated.

    Once more does no work unless its attributes differ, or it has failed or been cancelled.
    """
    refuse_static(wish.chunking_strategy)
    store_id, wanted = read_store_id(vector_store_id), attachment(wish.file_id, wish.attributes)
    await context.attacher.attach(caller.tenant_id, shown_store_id(store_id), [wanted])
    async with context.database.tenant(caller.tenant_id) as connection:
        return store_file(await found(connection, store_id, wanted.file_id), store_id)


@router.get("", summary="List a store's files", responses=openai_documented(400))
async def list_vector_store_files(
    vector_store_id: str, query: StoreFileListing, context: Context, caller: Reader
) -> ListResponse[VectorStoreFile]:
    """List the files of a store."""
    store_id = read_store_id(vector_store_id)
    async with context.database.tenant(caller.tenant_id) as connection:
        await find_store(connection, store_id)
        return await page_of(connection, store_id, query)


@router.get("/{file_id}", summary="Show a file of a store")
async def get_vector_store_file(
    vector_store_id: str, file_id: str, context: Context, caller: Reader, response: Response
) -> VectorStoreFile:
    """Show how far a file is; `openai-poll-after-ms` says when to look again."""
    store_id = read_store_id(vector_store_id)
    async with context.database.tenant(caller.tenant_id) as connection:
        shown = store_file(await found(connection, store_id, read_file_id(file_id)), store_id)
    if shown.status == "in_progress":
        response.headers["openai-poll-after-ms"] = str(POLL_MS)
    return shown


@router.post("/{file_id}", summary="Change a file's attributes", responses=openai_documented(400))
async def change_vector_store_file(
    vector_store_id: str,
    file_id: str,
    patch: VectorStoreFilePatch,
    context: Context,
    caller: Loader,
) -> VectorStoreFile:
    """Give a file other attributes; filters see them once it is `completed` again."""
    store_id = read_store_id(vector_store_id)
    attributes = checked_attributes(patch.attributes or {})
    async with context.database.tenant(caller.tenant_id) as connection:
        row = await found(connection, store_id, read_file_id(file_id))
        await amend(
            connection,
            row.document_id,
            attributes,
            keeper=keeper_of(context, caller, connection),
            deadline_s=context.settings.ingest.job_deadline_s,
            replace=True,
        )
        shown = store_file(await found(connection, store_id, row.id), store_id)
    context.wake()
    return shown


@router.delete("/{file_id}", summary="Take a file out of a store")
async def delete_vector_store_file(
    vector_store_id: str, file_id: str, context: Context, caller: Loader
) -> VectorStoreFileDeleted:
    """Delete what was made of a file; the file itself is kept."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = await found(connection, read_store_id(vector_store_id), read_file_id(file_id))
        await delete_document(connection, row.document_id, grace_s=context.grace_s)
    return VectorStoreFileDeleted(id=file_id)


@router.get(
    "/{file_id}/content",
    summary="Read the text of a file",
    response_model=FileContentPage,
    responses=openai_documented(409),
)
async def get_vector_store_file_content(
    vector_store_id: str, file_id: str, context: Context, caller: Reader
) -> StreamingResponse:
    """Return all text that was read of a file, page by page."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = await found(connection, read_store_id(vector_store_id), read_file_id(file_id))
        packed = await packed_text(connection, row.version_id)
    if not packed:
        raise Conflict(f"Nothing has been read of this file: it is {row.state}.")
    return StreamingResponse(_content(packed), media_type="application/json")


def _content(packed: Sequence[bytes]) -> Iterator[str]:
    """Yield a `FileContentPage` as JSON; the whole of it is never held."""
    head, _, tail = FileContentPage(data=[]).model_dump_json().partition("[]")
    yield f"{head}["
    for at, text in enumerate(pieces_of_text(packed)):
        yield ("," if at else "") + TextPiece(text=text).model_dump_json()
    yield f"]{tail}"
