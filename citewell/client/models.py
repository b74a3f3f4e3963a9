"""What the server answers, typed: the nouns of the wire contract as frozen values.

Fields a newer server adds are ignored; fields an older one leaves out have a default where a
caller can do without them.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import Field

from shared.models import (
    TERMINAL,
    Box,
    Completeness,
    JobState,
    JobWarning,
    Problem,
    Stage,
    Value,
    WaitingFor,
)

Item = TypeVar("Item")
OnDuplicate = Literal["replace", "skip", "new"]
SearchMode = Literal["hybrid", "dense", "sparse"]


@dataclass(frozen=True, slots=True)
class File:
    """One file to send: the name it shall have, and its bytes or where they are."""

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Bytes the file has at this moment; raises OSError when it cannot be read."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return self.content.stat().st_size


class Page(Value, Generic[Item]):
    """One page of a list; `next_cursor` asks for the next one and is None on the last."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


class Collection(Value):
    """A named corpus and the embedding space that answers for it."""

    name: str
    space: str
    description: str = ""
    fields: dict[str, str] = Field(default_factory=dict)
    documents: int | None = None


class Count(Value):
    """How far a job's pages or chunks are; `total` is None until it is known."""

    done: int = 0
    total: int | None = None


class JobUsage(Value):
    """What a job's embedding took from the provider, and what the index already knew."""

    tokens: int = 0
    provider_calls: int = 0
    cached: int = 0


class UploadedFile(Value):
    """What became of one file of an upload; a refused one has no job but a problem."""

    filename: str
    state: JobState
    job_id: UUID | None = None
    document_id: UUID | None = None
    version: int | None = None
    duplicate_of: UUID | None = None
    problem: Problem | None = None


class UploadResult(Value):
    """An accepted upload: from here on the server answers for every job in it."""

    batch_id: UUID
    jobs: tuple[UploadedFile, ...]


class Job(Value):
    """One ingestion of one version of a document."""

    id: UUID
    document_id: UUID | None = None
    batch_id: UUID | None = None
    version: int | None = None
    filename: str
    duplicate_of: UUID | None = None
    state: JobState
    stage: Stage | None = None
    revision: int = 0
    pages: Count = Count()
    chunks: Count = Count()
    attempts: int = 0
    waiting_for: WaitingFor | None = None
    eta_s: float | None = None
    timings: dict[str, Any] = Field(default_factory=dict)
    usage: JobUsage = JobUsage()
    warnings: tuple[JobWarning, ...] = ()
    completeness: Completeness | None = None
    problem: Problem | None = None

    @property
    def ended(self) -> bool:
        """Whether the job has reached a final state."""
        return self.state in TERMINAL


class Batch(Value):
    """One upload's jobs, counted; `counts` sums to `total`."""

    id: UUID
    collection: str | None = None
    total: int
    sealed: bool = True
    paused: bool = False
    revision: int = 0
    counts: dict[JobState, int] = Field(default_factory=dict)
    throughput: float | None = None
    eta_s: float | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def done(self) -> int:
        """How many of the jobs have ended, in whatever way."""
        return sum(self.counts.get(state, 0) for state in TERMINAL)

    @property
    def ended(self) -> bool:
        """Whether every job has ended and no more will be added."""
        return self.sealed and self.done >= self.total


class BatchEvent(Value):
    """What is told of a batch while it is followed: a job, or the batch, as it is now.

    `id` is where to go on after a break; an event without one is of the beginning.
    """

    kind: Literal["job", "batch", "end"]
    id: str | None = None
    job: Job | None = None
    batch: Batch | None = None


class RetriedJobs(Value):
    """How many failed jobs are open again, and how many were passed over."""

    retried: int
    passed_over: int = 0
    next_cursor: str | None = None


class Document(Value):
    """A named document of a collection and the version that queries see."""

    id: UUID
    name: str
    collection: str
    attributes: dict[str, Any] = Field(default_factory=dict)
    live_version: int | None = None
    newest_version: int | None = None
    state: JobState | None = None
    job_id: UUID | None = None
    media_type: str = ""
    pages: int | None = None
    size: int | None = None


class Version(Value):
    """One version of a document's bytes."""

    version: int
    live: bool = False
    state: JobState | None = None
    job_id: UUID | None = None
    media_type: str = ""
    pages: int | None = None
    size: int | None = None
    sha256: str | None = None


class PlacedChunk(Value):
    """A chunk with the place it came from, and its neighbours where they were asked for."""

    id: UUID
    document_id: UUID
    version: int
    ordinal: int
    text: str
    tokens: int
    page_start: int
    page_end: int
    section: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    before: tuple["PlacedChunk", ...] = ()
    after: tuple["PlacedChunk", ...] = ()


class UsageSums(Value):
    """What is held, the jobs by state, and what embedding them took."""

    documents: int = 0
    versions: int = 0
    chunks: int = 0
    stored_bytes: int = 0
    jobs: dict[JobState, int] = Field(default_factory=dict)
    embedding: JobUsage = JobUsage()


class CollectionUsage(UsageSums):
    """A collection's own sums."""

    name: str


class ChatSums(Value):
    """What questions took of chat models; `cost` is without the `unpriced` answers."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0


class ModelUsage(ChatSums):
    """What one model took."""

    model: str


class DayUsage(ModelUsage):
    """What one model took on one day, in UTC."""

    day: date


class ChatUsage(ChatSums):
    """What questions took in all, by model, and by day and model."""

    models: tuple[ModelUsage, ...] = ()
    days: tuple[DayUsage, ...] = ()


class Usage(Value):
    """A tenant's sums; `since` and `until` are the span whose jobs were added up."""

    since: datetime | None = None
    until: datetime | None = None
    total: UsageSums
    collections: tuple[CollectionUsage, ...] = ()
    chat: ChatUsage = ChatUsage()


class Example(Value):
    """One thing that differs: a version of points, a document of bytes."""

    id: UUID
    detail: str


class Difference(Value):
    """What one comparison of the doctor found, and how many of them are mended."""

    kind: str
    count: int
    fixed: int = 0
    examples: tuple[Example, ...] = ()
    complete: bool = True
    reason: str | None = None


class Pending(Value):
    """What is deleted and will be removed by itself."""

    tombstones: int = 0
    documents: int = 0
    collections: int = 0


class WaitingJob(Value):
    """A job that goes on when an operator has acted."""

    job_id: UUID
    filename: str
    stage: Stage | None = None
    code: str | None = None
    detail: str | None = None
    since: datetime | None = None


class Stuck(Value):
    """What stands still; `waiting` holds the oldest of those that wait for an operator."""

    expired_leases: int = 0
    past_deadline: int = 0
    sweep_age_s: float | None = None
    waiting_for_operator: int = 0
    waiting: tuple[WaitingJob, ...] = ()


class Diagnosis(Value):
    """What the doctor found in one tenant; `well` when nothing is left to do."""

    well: bool
    complete: bool = True
    differences: tuple[Difference, ...] = ()
    pending: Pending = Pending()
    stuck: Stuck = Stuck()


class Dependency(Value):
    """How one part that a service needs is."""

    status: Literal["up", "down"]
    required: bool = True
    latency_ms: float | None = None
    code: str | None = None
    detail: str | None = None


class Readiness(Value):
    """Whether a service can work, and how each part it depends on is."""

    status: Literal["ready", "degraded", "unavailable"]
    dependencies: dict[str, Dependency] = Field(default_factory=dict)
