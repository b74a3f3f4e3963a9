"""The wire of the doctor and of rebuilds: what is asked, what was found, how far it is."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest_worker.schemas import CollectionName, Request
from shared.models import Stage


class DoctorRequest(Request):
    """What the doctor is to do, and for how long."""

    fix: bool = Field(default=False, description="Mend what can be mended.")
    budget_s: float = Field(
        default=20.0, ge=1, le=60, description="Time for the comparisons, seconds."
    )


class ExampleResponse(BaseModel):
    """One of the things that differ: a version of points, a document of bytes."""

    id: UUID
    detail: str


class DifferenceResponse(BaseModel):
    """What one comparison found."""

    kind: Literal["points_missing", "points_orphaned", "bytes_missing", "bytes_orphaned"]
    count: int = Field(description="Points, or versions and files where it is about bytes.")
    fixed: int
    examples: list[ExampleResponse]
    complete: bool
    reason: str | None = Field(default=None, description="Why it is not complete.")


class PendingResponse(BaseModel):
    """What is deleted and will be removed by itself; no difference."""

    tombstones: int
    documents: int
    collections: int


class WaitingJobResponse(BaseModel):
    """A job that goes on when an operator has acted."""

    job_id: UUID
    filename: str
    stage: Stage
    code: str | None
    detail: str | None
    since: datetime


class StuckResponse(BaseModel):
    """What a sweep should have moved by now."""

    expired_leases: int
    past_deadline: int
    sweep_age_s: float | None = Field(description="Seconds since the last sweep of any process.")
    waiting_for_operator: int
    waiting: list[WaitingJobResponse] = Field(description="The oldest of those.")


class DoctorResponse(BaseModel):
    """How the caller's tenant is."""

    well: bool = Field(description="All was compared, nothing differs, nothing is stuck.")
    complete: bool = Field(description="False: time ran out, or a store did not answer.")
    differences: list[DifferenceResponse]
    pending: PendingResponse
    stuck: StuckResponse


class RebuildRequest(Request):
    """Which points to make anew."""

    collection: CollectionName | None = Field(default=None, description="Without it: all.")
    dry_run: bool = Field(default=False, description="Tell the cost and do nothing.")
    from_empty: bool = Field(
        default=False,
        description="Drop the index first: queries find nothing until it is filled again.",
    )


class CostResponse(BaseModel):
    """What rebuilding one collection takes; all but documents and chunks are estimates."""

    collection: str
    space: str
    documents: int
    chunks: int
    unknown: int = Field(description="Chunks without a point: their texts are embedded again.")
    tokens: int = Field(description="Tokens of those.")
    calls: int = Field(description="Requests to the embedder.")
    usd: float | None = Field(description="At the provider's list price, if that is known.")
    seconds: float | None = Field(description="At the pace of a recent large upload, if any.")


class RebuildResponse(BaseModel):
    """A rebuild and how far it is."""

    id: UUID
    collection: str
    from_empty: bool
    stage: Literal["preparing", "queueing", "embedding", "checking", "mending", "done"]
    documents: int = Field(description="Documents whose chunks were queued so far.")
    chunks: int = Field(description="Chunks queued so far.")
    left: int = Field(description="Queued chunks that are not embedded yet.")
    created_at: datetime
    finished_at: datetime | None


class RebuildAnswer(BaseModel):
    """What it takes, and what was begun; nothing after a dry run."""

    costs: list[CostResponse]
    rebuilds: list[RebuildResponse]


class RebuildsResponse(BaseModel):
    """The newest rebuild of each collection."""

    items: list[RebuildResponse]
