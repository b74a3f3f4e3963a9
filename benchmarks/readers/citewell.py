"""Citewell's PDF reader as a parse worker's child runs it: windows of pages, elements packed."""

from collections.abc import Iterator
from pathlib import Path

from timing import run

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.packing import pack_elements
from services.ingest_worker.parsing.registry import Parsers

WINDOW = 50


def read(path: str) -> Iterator[str]:
    """Yield each page's text."""
    parsers, source = Parsers(), Source(Path(path), Path(path).name)
    count = parsers.plan(source).pages
    for first in range(1, count + 1, WINDOW):
        window = range(first, min(first + WINDOW, count + 1))
        elements = parsers.parse(source, window).elements
        pack_elements(elements)
        texts = {page: list[str]() for page in window}
        for one in elements:
            texts[one.page].append(one.text)
        yield from ("\n".join(found) for found in texts.values())


run(read)
