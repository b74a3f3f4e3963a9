"""`POST /v1/documents`: the upload door."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from starlette.requests import ClientDisconnect

from services.ingest_worker.routers.accepted import REPLAYED, accepted, worded
from services.ingest_worker.routers.dependencies import Context, Loader
from services.ingest_worker.schemas import UploadForm, UploadResponse
from services.ingest_worker.uploads.receiving import request_too_large
from services.ingest_worker.uploads.upload import Incoming
from shared.errors import InvalidInput
from shared.web.limits import length_said, says_more_than
from shared.web.problems import documented

UPLOAD_PATH = "/v1/documents"
# A sender that is silent for this long is taken for dead; its files are let go.
SILENCE_S = 60.0
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"

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
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=NO_CONTROLS,
            description="The request is done once, however often it is sent within a day.",
        ),
    ] = None,
) -> Response:
    """Take any number of files in one request; answers once all bytes and rows are durable.

    A file that cannot be taken has a `problem` and no job; it does not refuse the others. A
    connection that is cut before the end leaves nothing.
    """
    limits = context.settings.ingest
    announced = request.headers.get("content-length")
    if says_more_than(announced, limits.max_request_bytes):
        raise request_too_large(limits)
    answered = await context.uploads.upload(
        Incoming(
            caller.tenant_id,
            _body(request),
            request.headers.get("content-type", ""),
            announced_bytes=length_said(announced),
            key=idempotency_key,
        ),
        worded,
    )
    return accepted(answered.body, replayed=answered.replayed)


async def _body(request: Request) -> AsyncIterator[bytes]:
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise InvalidInput(f"No byte of the body came for {SILENCE_S:.0f} s.") from error
        except ClientDisconnect as error:
            raise InvalidInput("The connection was cut before the body was complete.") from error
        yield piece
