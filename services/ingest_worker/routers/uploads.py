"""`POST /v1/documents`: the upload door."""

from fastapi import APIRouter, Request, Response

from services.ingest_worker.routers.accepted import REPLAYED, accepted, worded
from services.ingest_worker.routers.dependencies import Context, Loader
from services.ingest_worker.routers.incoming import IdempotencyKey, incoming_of
from services.ingest_worker.schemas import UploadForm, UploadResponse
from shared.web.problems import documented

UPLOAD_PATH = "/v1/documents"

router = APIRouter(tags=["documents"], responses=documented(401, 403, 503))


@router.post(
    UPLOAD_PATH,
    status_code=202,
    summary="Upload files",
    response_model=UploadResponse,
    responses={
        202: {
            "headers": {
                "Location": {"schema": {"type": "string"}},
                REPLAYED: {
                    "schema": {"type": "string", "enum": ["true"]},
                    "description": "The first request with this key was answered so.",
                },
            }
        },
        **documented(404, 409, 413, 422, 429, 507),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": UploadForm.model_json_schema()}},
        }
    },
)
async def upload_documents(
    request: Request,
    context: Context,
    caller: Loader,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take any number of files in one request; answers once all bytes and rows are durable.

    A file that cannot be taken has a `problem` and no job; it does not refuse the others. A
    connection that is cut before the end leaves nothing.
    """
    incoming = incoming_of(request, context, caller, key=idempotency_key)
    answered = await context.uploads.upload(incoming, worded)
    return accepted(answered.body, replayed=answered.replayed)
