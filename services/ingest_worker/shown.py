"""Rows as the wire shows them: jobs and batches, with what is estimated of them."""

from collections import Counter
from datetime import datetime

from services.ingest_worker.schemas import BatchResponse, JobResponse, Progress, Usage
from shared.database.batches import BatchRow
from shared.database.job_views import JobRow, JobViews
from shared.models import TERMINAL, Completeness, JobState, JobWarning, Stage, WaitingFor

# What is ahead of a job is counted up to here: further back the number helps nobody.
MOST_AHEAD = 1000
# The tenant's rate is that of its newest ends, so many and so recent.
RATE_OF, RATE_WITHIN_S = 500, 60.0
PAUSED = WaitingFor(kind="operator", detail="Its batch is paused; resume it.")


def job_response(row: JobRow) -> JobResponse:
    """Show a job as its row alone tells."""
    return JobResponse(
        id=row.id,
        document_id=row.document_id,
        batch_id=row.batch_id,
        version=row.version,
        filename=row.filename,
        duplicate_of=row.duplicate_of,
        state=JobState(row.state),
        stage=Stage(row.stage),
        revision=row.revision,
        pages=Progress(done=row.pages_done, total=row.pages_total),
        chunks=Progress(done=row.chunks_total - row.chunks_left, total=row.chunks_total),
        attempts=row.attempts,
        waiting_for=_waiting_for(row),
        eta_s=_eta_s(row),
        timings=row.timings,
        usage=Usage.model_validate(row.usage),
        warnings=row.warnings,
        completeness=_completeness(row),
        problem=row.problem,
        created_at=row.created_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
    )


async def whole_job_response(views: JobViews, row: JobRow) -> JobResponse:
    """Show a job with its place in the queue, when it is tried next, and its turn: some queries."""
    job = job_response(row)
    if job.state in TERMINAL or job.waiting_for == PAUSED:
        return job
    until = await views.next_try(row.id)
    if job.state is JobState.QUEUED and job.waiting_for and job.waiting_for.kind == "queue":
        ahead = await views.ahead(row.id, most=MOST_AHEAD)
        job.waiting_for = _queue(ahead + 1, until)
        rate = await views.rate(row.id, within_s=RATE_WITHIN_S, most=RATE_OF)
        job.eta_s = round((ahead + 1) / rate, 1) if rate and ahead < MOST_AHEAD else None
    elif until is not None:
        waiting = job.waiting_for or WaitingFor(kind="queue")
        job.waiting_for = waiting.model_copy(update={"until": until.isoformat()})
    return job


def batch_response(row: BatchRow) -> BatchResponse:
    """Show a batch; its counts are of one moment."""
    return BatchResponse(
        id=row.id,
        collection=row.collection,
        total=row.total,
        sealed=row.sealed,
        paused=row.paused,
        revision=row.revision,
        counts={state: int(row.counts.get(state, 0)) for state in JobState},
        throughput=round(row.rate, 3),
        eta_s=_batch_eta_s(row),
        created_at=row.created_at,
        finished_at=None if row.left else row.finished_at,
    )


def _batch_eta_s(row: BatchRow) -> float | None:
    """Estimate from the rate of the last minute; nothing if more may come or it is paused."""
    if not row.left or not row.rate or row.paused or not row.sealed:
        return None
    return round(row.left / row.rate, 1)


def _queue(position: int, until: datetime | None) -> WaitingFor:
    told = None if until is None else until.isoformat()
    return WaitingFor(kind="queue", position=position, until=told)


def _completeness(row: JobRow) -> Completeness | None:
    """Count what the warnings say; nothing before the last page is read."""
    warnings = [JobWarning.model_validate(one) for one in row.warnings]
    if not warnings and (not row.pages_total or row.pages_done < row.pages_total):
        return None
    told: Counter[str] = Counter()
    for warning in warnings:
        told[warning.code] += warning.pages
    lacking = {
        "ocred": told["page_ocred"],
        "without_text": told["page_without_text"],
        "unreadable": told["page_unreadable"],
    }
    # A file that failed whole has no count of its pages: all of them were warned of.
    pages = max(row.pages_total, sum(lacking.values()))
    return Completeness(
        pages=pages,
        text=pages - sum(lacking.values()),
        skipped=told["attachment_skipped"],
        truncated=told["truncated"],
        **lacking,
    )


def _waiting_for(row: JobRow) -> WaitingFor | None:
    # Whatever part of it is still under way: nothing more of it begins.
    if row.paused and row.state not in TERMINAL:
        return PAUSED
    if row.waiting_for is not None:
        return WaitingFor.model_validate(row.waiting_for)
    return WaitingFor(kind="queue") if row.state == JobState.QUEUED else None


def _eta_s(row: JobRow) -> float | None:
    """Estimate from the rate of its own pages or chunks since that stage began."""
    if row.waiting_for is not None or row.paused:
        return None
    match row.state, row.stage:
        case JobState.PARSING, Stage.PARSE:
            done, total = row.pages_done, row.pages_total
        case JobState.EMBEDDING, _:
            done, total = row.chunks_total - row.chunks_left, row.chunks_total
        case _:
            return None
    if not 0 < done < total:
        return None
    elapsed_s = max(0.0, (row.read_at - row.stage_at).total_seconds())
    return round(elapsed_s * (total - done) / done, 1)
