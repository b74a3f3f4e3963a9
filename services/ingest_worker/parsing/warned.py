"""Warnings of many pages made few: a scan of a thousand pages says once that it was read."""

from collections.abc import Iterable

from shared.models import JobWarning

# Files left out that are named; the others are counted.
MAX_NAMED = 50


def merged(warnings: Iterable[JobWarning]) -> list[JobWarning]:
    """Return warnings with those of the same words on pages in a row as one; order is kept.

    >>> one, two = (JobWarning(code="page_ocred", detail="Read.", page=n) for n in (1, 2))
    >>> merged([one, two])[0].last_page
    2
    """
    made: list[JobWarning] = []
    runs: dict[tuple[str, str], int] = {}
    for warning in warnings:
        key = (warning.code, warning.detail)
        at = runs.get(key)
        if at is not None and _follows(made[at], warning):
            last = warning.last_page or warning.page
            made[at] = made[at].model_copy(update={"last_page": last})
        else:
            runs[key] = len(made)
            made.append(warning)
    return made


def first_of(skipped: list[JobWarning]) -> list[JobWarning]:
    """Return the first warnings of files left out, and how many more there are."""
    more = len(skipped) - MAX_NAMED
    if more <= 0:
        return skipped
    told = JobWarning(code="attachment_skipped", detail=f"{more} more files are left out.")
    return [*skipped[:MAX_NAMED], told]


def _follows(run: JobWarning, warning: JobWarning) -> bool:
    if run.page is None or warning.page is None:
        return False
    return warning.page == (run.last_page or run.page) + 1
