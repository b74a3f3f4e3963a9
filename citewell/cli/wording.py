"""How jobs, batches and pages of lists are told, the same for every verb."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from citewell.cli.output import print_json, stderr, stdout, table
from citewell.client.models import Batch, Job, Page
from shared.models import Completeness, JobWarning

Item = TypeVar("Item")

_SHORTCOMINGS = {
    "analyser": "some words may not be found: run `citewell rebuild`",
    "context": "not all passages found had room in the prompt",
    "embedder": "words alone were looked for, `citewell doctor` says why",
    "incomplete": "passages may have been missed, ask again",
    "length": "the model's answer was cut short",
    "rerank": "not all hits were read again in time",
}


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


def shortcomings(degraded: Sequence[str]) -> str:
    """Word what a search or an answer had to do without.

    >>> shortcomings(["length"])
    "Degraded: the model's answer was cut short (length)."
    """
    words = (f"{_SHORTCOMINGS[one]} ({one})" if one in _SHORTCOMINGS else one for one in degraded)
    return f"Degraded: {'; '.join(words)}."


def warned(warning: JobWarning) -> str:
    """Word a warning with its pages.

    >>> warned(JobWarning(code="page_ocred", detail="Read.", page=2, last_page=9))
    'page_ocred (pages 2 to 9): Read.'
    """
    where = f" (page {warning.page})" if warning.page else ""
    if warning.last_page:
        where = f" (pages {warning.page} to {warning.last_page})"
    return f"{warning.code}{where}: {warning.detail}"


def completeness(told: Completeness) -> str:
    """Word what of a file was read; what is zero is left out.

    >>> completeness(Completeness(pages=9, text=6, ocred=2, without_text=1))
    '6 of 9 pages with text, 2 ocred, 1 without text'
    """
    counts = [
        (told.ocred, "ocred"),
        (told.without_text, "without text"),
        (told.unreadable, "unreadable"),
        (told.skipped, "attachments skipped"),
        (told.truncated, "cut short"),
    ]
    words = [f"{told.text} of {told.pages} pages with text"]
    return ", ".join(words + [f"{count} {name}" for count, name in counts if count])


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
