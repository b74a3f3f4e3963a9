"""What a load has come to: counted while it runs, and told file by file when it has ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from citewell.client.models import Batch, Job, UploadResult
from shared.models import JobState, Problem

_UNWELCOME = frozenset({JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that is not in the collection now, and why."""

    name: str
    code: str
    detail: str
    hint: str = ""
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know about a file that is in the collection."""

    name: str
    code: str
    detail: str
    page: int | None = None


@dataclass(slots=True)
class Tally:
    """Counts of one load. `total` grows when an archive turns out to hold more files."""

    found: int
    clock: Callable[[], float] = time.monotonic
    sent: int = 0
    unchanged: int = 0
    skipped: int = 0
    accepted_jobs: int = 0
    batches: dict[UUID, Batch | None] = field(default_factory=dict)
    jobs: dict[UUID, list[Job]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    started: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started = self.clock()

    def accepted(self, result: UploadResult) -> None:
        """Count an accepted request; refused files in it are failures at once."""
        self.sent += len(result.jobs)
        self.batches[result.batch_id] = None
        for entry in result.jobs:
            if entry.job_id is not None:
                self.accepted_jobs += 1
                self.unchanged += entry.duplicate_of is not None
            elif entry.problem is not None:
                self.failures.append(_failure(entry.filename, entry.problem))
            else:
                self.skipped += 1

    def refused(self, name: str, problem: Problem) -> None:
        """Count a file whose whole request was refused."""
        self.sent += 1
        self.failures.append(_failure(name, problem))

    def unreadable(self, name: str, reason: str) -> None:
        """Count a file that could not be read on this side."""
        self.sent += 1
        self.failures.append(Failure(name, "file_unreadable", reason, "Check its permissions."))

    def tell_ends(self) -> None:
        """Sort every job that did not simply end well into failures and remarks."""
        for jobs in self.jobs.values():
            for job in jobs:
                if job.state in _UNWELCOME:
                    self.failures.append(_ended_badly(job))
                self.remarks += [
                    Remark(job.filename, one.code, one.detail, one.page) for one in job.warnings
                ]

    @property
    def total(self) -> int:
        """Files of this load as far as known."""
        known = self._known()
        if len(known) < len(self.batches):
            return self.found
        return self.found + max(0, sum(batch.total for batch in known) - self.accepted_jobs)

    @property
    def done(self) -> int:
        """Files that have ended, well or not."""
        without_job = sum(failure.job_id is None for failure in self.failures)
        return without_job + self.skipped + sum(batch.done for batch in self._known())

    @property
    def pages(self) -> int:
        """Pages read so far."""
        return sum(job.pages.done for jobs in self.jobs.values() for job in jobs)

    @property
    def chunks(self) -> int:
        """Chunks indexed so far."""
        return sum(job.chunks.done for jobs in self.jobs.values() for job in jobs)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the load began."""
        return self.clock() - self.started

    @property
    def rate(self) -> float:
        """Files ended a second, on average since the start."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the rest has ended at this rate; None before anything has."""
        return (self.total - self.done) / self.rate if self.rate else None

    @property
    def open_batches(self) -> list[UUID]:
        """Batches that may still change, in the order they were sent."""
        return [id_ for id_, batch in self.batches.items() if batch is None or not batch.ended]

    def _known(self) -> list[Batch]:
        return [batch for batch in self.batches.values() if batch is not None]


def _failure(name: str, problem: Problem) -> Failure:
    return Failure(name, problem.code, problem.detail, problem.hint)


def _ended_badly(job: Job) -> Failure:
    if job.problem is None:
        hint = f"citewell jobs retry {job.id}"
        return Failure(job.filename, job.state, f"The job was {job.state}.", hint, job.id)
    return replace(_failure(job.filename, job.problem), job_id=job.id)
