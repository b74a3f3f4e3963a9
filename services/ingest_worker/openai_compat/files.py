"""`/openai/v1/files`: files that are kept, to be put into stores."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.openai_compat.reading import FileListing, read_place, read_purpose
from services.ingest_worker.openai_compat.schemas import (
    FileDeleted,
    FileForm,
    FileObject,
    ListResponse,
)
from services.ingest_worker.openai_compat.shown import file_object, listed
from services.ingest_worker.routers.accepted import REPLAYED
from services.ingest_worker.routers.attachment import Attachment, attachment
from services.ingest_worker.routers.dependencies import Context, Loader, Reader
from services.ingest_worker.routers.incoming import IdempotencyKey, incoming_of
from shared.database.files import FileRow, Files, no_file
from shared.database.windows import Window
from shared.openai_ids import read_file_id
from shared.web.openai_errors import openai_documented

FILES_PATH = "/openai/v1/files"

router = APIRouter(tags=["openai"], prefix=FILES_PATH, responses=openai_documented(401, 403, 503))


@router.post(
    "",
    summary="Keep a file",
    response_model=FileObject,
    responses=openai_documented(400, 409, 413, 429, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": FileForm.model_json_schema()}},
        }
    },
)
async def create_file(
    request: Request, context: Context, caller: Loader, idempotency_key: IdempotencyKey = None
) -> Response:
    """Keep one file; answers once its bytes and its row are durable. Nothing is read of it yet."""
    incoming = incoming_of(request, context, caller, key=idempotency_key)
    answered = await context.files.keep(incoming, purpose_of=read_purpose, word=_worded)
    headers = {REPLAYED: "true"} if answered.replayed else {}
    return Response(answered.body, media_type="application/json", headers=headers)


@router.get("", summary="List kept files", responses=openai_documented(400))
async def list_files(
    query: FileListing, context: Context, caller: Reader
) -> ListResponse[FileObject]:
    """List the files that are kept."""
    window = Window(
        query.limit, query.order == "asc", read_place("after", query.after, read_file_id)
    )
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await Files(connection).listed(window, purpose=query.purpose)
    page, more = window.page(rows)
    return listed([file_object(row) for row in page], more=more)


@router.get("/{file_id}", summary="Show a kept file", responses=openai_documented(404))
async def get_file(file_id: str, context: Context, caller: Reader) -> FileObject:
    """Show one kept file."""
    async with context.database.tenant(caller.tenant_id) as connection:
        return file_object(await _found(connection, read_file_id(file_id)))


@router.get(
    "/{file_id}/content",
    summary="Download a kept file",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file as sent."},
        **openai_documented(404),
    },
)
async def get_file_content(file_id: str, context: Context, caller: Reader) -> StreamingResponse:
    """Stream a kept file's bytes as an attachment."""
    async with context.database.tenant(caller.tenant_id) as connection:
        row = await _found(connection, read_file_id(file_id))
    return await attachment(
        context.blobs.read(str(row.blob_id)), Attachment(row.filename, row.size)
    )


@router.delete("/{file_id}", summary="Delete a kept file", responses=openai_documented(404))
async def delete_kept_file(file_id: str, context: Context, caller: Loader) -> FileDeleted:
    """Delete a file, out of every store too; no query that starts after this answer sees it."""
    await context.remover.delete(caller.tenant_id, read_file_id(file_id))
    return FileDeleted(id=file_id)


async def _found(connection: AsyncConnection, file_id: UUID) -> FileRow:
    row = await Files(connection).by_id(file_id)
    if row is None:
        raise no_file(file_id)
    return row


def _worded(row: FileRow) -> str:
    return file_object(row).model_dump_json()
