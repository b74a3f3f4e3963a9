"""PyMuPDF's text of each page (AGPL: a yardstick only)."""

from collections.abc import Iterator

import pymupdf
from timing import run


def read(path: str) -> Iterator[str]:
    """Yield each page's text."""
    for page in pymupdf.open(path):
        yield page.get_text()


run(read)
