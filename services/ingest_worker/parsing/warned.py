"""Warnings of many pages made few: a scan of a thousand pages says once that it was read."""

from collections.abc import Iterable

from shared.models import JobWarning


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


def _follows(run: JobWarning, warning: JobWarning) -> bool:
    if run.page is None or warning.page is None:
        return False
    return warning.page == (run.last_page or run.page) + 1
