"""pdfium's handles of a page, open for as long as a block."""

from collections.abc import Iterator
from contextlib import contextmanager

import pypdfium2  # type: ignore[import-untyped]
from pypdfium2 import raw


@contextmanager
def loaded_page(document: pypdfium2.PdfDocument, page: int) -> Iterator[raw.FPDF_PAGE]:
    """Load a page (from 1); the handle is null if it cannot be."""
    handle = raw.FPDF_LoadPage(document.raw, page - 1)
    try:
        yield handle
    finally:
        if handle:
            raw.FPDF_ClosePage(handle)


@contextmanager
def loaded_text(page: raw.FPDF_PAGE) -> Iterator[raw.FPDF_TEXTPAGE]:
    """Load the text of a loaded page; the handle is null if it cannot be."""
    handle = raw.FPDFText_LoadPage(page) if page else None
    try:
        yield handle
    finally:
        if handle:
            raw.FPDFText_ClosePage(handle)
