"""The 202 of an upload, and of what is answered like one."""

import json

from fastapi import Response

from services.ingest_worker.schemas import UploadedFile, UploadResponse
from services.ingest_worker.uploads.planning import Outcome, Uploaded
from shared.errors import InvalidInput
from shared.models import JobState, Stage
from shared.problems import problem_of

REPLAYED = "Idempotent-Replayed"


def accepted(body: str, *, replayed: bool = False) -> Response:
    """Return the 202 of an upload whose body is worded."""
    batch_id = json.loads(body)["batch_id"]
    headers = {"Location": f"/v1/batches/{batch_id}"} | ({REPLAYED: "true"} if replayed else {})
    return Response(body, status_code=202, media_type="application/json", headers=headers)


def worded(uploaded: Uploaded) -> str:
    """Return the body of an upload's answer."""
    jobs = [_shown(outcome) for outcome in uploaded.outcomes]
    shown = UploadResponse(batch_id=uploaded.batch_id, jobs=jobs)
    return shown.model_dump_json(exclude_unset=True)


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
