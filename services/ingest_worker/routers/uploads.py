"""`POST /v1/documents`: the upload door."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from services.ingest_worker.routers.dependencies import Context, Loader
from services.ingest_worker.schemas import UploadedFile, UploadForm, UploadResponse
from services.ingest_worker.uploads.planning import Outcome
from services.ingest_worker.uploads.receiving import request_too_large
from shared.errors import InvalidInput
from shared.models import JobState, Stage
from shared.problems import problem_of
from shared.web.limits import says_more_than
from shared.web.problems import documented

UPLOAD_PATH = "/v1/documents"
# A sender that is silent for this long is taken for dead; its files are let go.
SILENCE_S = 60.0

router = APIRouter(tags=["documents"], responses=documented(401, 403, 503))


@router.post(
    UPLOAD_PATH,
    status_code=202,
    summary="Upload files",
    responses={
        202: {"headers": {"Location": {"schema": {"type": "string"}}}},
        **documented(404, 413, 422, 507),
    },
    response_model_exclude_unset=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": UploadForm.model_json_schema()}},
        }
    },
)
async def upload_documents(
    request: Request, response: Response, context: Context, caller: Loader
) -> UploadResponse:
    """Take any number of files in one request; answers once all bytes and rows are durable.

    A file that cannot be taken has a `problem` and no job; it does not refuse the others. A
    connection that is cut before the end leaves nothing.
    """
    limits = context.settings.ingest
    if says_more_than(request.headers.get("content-length"), limits.max_request_bytes):
        raise request_too_large(limits)
    uploaded = await context.uploads.upload(
        caller.tenant_id,
        _body(request),
        content_type=request.headers.get("content-type", ""),
    )
    response.headers["Location"] = f"/v1/batches/{uploaded.batch_id}"
    return UploadResponse(
        batch_id=uploaded.batch_id, jobs=[_shown(outcome) for outcome in uploaded.outcomes]
    )


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


def _shown(outcome: Outcome) -> UploadedFile:
    job = outcome.job
    if job is None:
        refusal = outcome.refusal
        error = refusal.error if refusal else InvalidInput()
        return UploadedFile(
            job_id=None,
            document_id=None,
            version=None,
            filename=outcome.filename,
            state=JobState.FAILED,
            problem=problem_of(error, Stage.RECEIVE),
        )
    shown = UploadedFile(
        job_id=job.id,
        document_id=job.document_id,
        version=job.version,
        filename=outcome.filename,
        state=JobState.QUEUED if job.duplicate_of is None else JobState.SUCCEEDED,
    )
    if job.duplicate_of is not None:
        shown.duplicate_of = job.duplicate_of
    return shown
