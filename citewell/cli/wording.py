"""How jobs, batches and pages of lists are put into words, the same for every verb."""

from citewell.cli.output import stderr
from citewell.client import Batch, Job


def counted(batch: Batch) -> str:
    """Word a batch: how many of its jobs ended, and the states they are in."""
    counts = ", ".join(f"{count} {state}" for state, count in batch.counts.items() if count)
    return f"Batch {batch.id}: {batch.done} of {batch.total} ended ({counts or 'no jobs'})"


def progress(job: Job) -> str:
    """Word how far a job is, in chunks once it has any, else in pages."""
    if job.chunks.total:
        return f"{job.chunks.done}/{job.chunks.total} chunks"
    return f"{job.pages.done}/{job.pages.total} pages" if job.pages.total else ""


def why(job: Job) -> str:
    """Word why a job is as it is: its problem, what it waits for, or its warnings."""
    if job.problem:
        return job.problem.code
    if job.waiting_for:
        reason = f" ({job.waiting_for.code})" if job.waiting_for.code else ""
        return f"waits for {job.waiting_for.kind}{reason}"
    return ", ".join(sorted({warning.code for warning in job.warnings}))


def size(amount: int) -> str:
    """Word a number of bytes: `512 B`, `3.4 MB`.

    >>> size(512), size(3_400_000)
    ('512 B', '3.4 MB')
    """
    value, unit = float(amount), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:  # noqa: PLR2004
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def tell_more(next_cursor: str | None) -> None:
    """Say how a list goes on, unless it was the last page."""
    if next_cursor:
        stderr().print(f"More: add --cursor {next_cursor}", soft_wrap=True)
