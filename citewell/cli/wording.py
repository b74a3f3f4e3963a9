"""How jobs, batches and pages of lists are told, the same for every verb."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from citewell.cli.output import print_json, stderr, stdout, table
from citewell.client.models import Batch, Job, Page

Item = TypeVar("Item")


def counted(batch: Batch) -> str:
    """Word a batch: how many of its jobs ended, and the states they are in."""
    counts = ", ".join(f"{count} {state}" for state, count in batch.counts.items() if count)
    held = ", paused" if batch.paused else ""
    return f"Batch {batch.id}: {batch.done} of {batch.total} ended ({counts or 'no jobs'}){held}"


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


def tell_page(
    page: Page[Item],
    headings: Sequence[str],
    row: Callable[[Item], Sequence[object]],
    *,
    as_json: bool = False,
) -> None:
    """Print one page of a list for programs or for people, and say how the list goes on."""
    if as_json:
        print_json(page)
        return
    stdout().print(table(headings, map(row, page.items)))
    if page.next_cursor:
        stderr().print(f"More: add --cursor {page.next_cursor}", soft_wrap=True)
