"""Warnings of pages in a row are one."""

from services.ingest_worker.parsing.warned import merged
from shared.models import JobWarning, WarningCode


def on(page: int | None, code: WarningCode = "page_ocred", detail: str = "Read.") -> JobWarning:
    return JobWarning(code=code, detail=detail, page=page)


def test_pages_in_a_row_are_one_even_with_others_between() -> None:
    blank = on(3, "page_without_text", "Blank.")
    told = merged([on(1), on(2), blank, on(4), on(5), on(6), on(9)])
    assert [(one.code, one.page, one.last_page, one.pages) for one in told] == [
        ("page_ocred", 1, 2, 2),
        ("page_without_text", 3, None, 1),
        ("page_ocred", 4, 6, 3),
        ("page_ocred", 9, None, 1),
    ]


def test_runs_of_two_parts_become_one() -> None:
    parts = [merged([on(page) for page in range(start, start + 10)]) for start in (1, 11, 21)]
    (told,) = merged([one for part in parts for one in part])
    assert (told.page, told.last_page, told.pages) == (1, 30, 30)


def test_other_words_and_no_pages_stay_apart() -> None:
    one = [on(1), on(2, detail="Otherwise."), on(None), on(None)]
    assert merged(one) == one
