"""Tables as text (csv, tsv): the delimiter is sniffed, rows come in runs under their header.

The format is RFC 4180, as far as files keep to it.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Literal

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import CSV
from services.ingest_worker.parsing.text.streams import open_text
from shared.models import Element, ElementKind

SAMPLE_LINES = 200
SAMPLE_CHARS = 64 * 1024
DELIMITERS = ",;\t|"
# A run of rows is an element; its header stands above each.
RUN_CHARS = 4000
# A header that is longer than this would be most of what is said.
MAX_HEADER_CHARS = 1000
# Above this a quote is one that was never closed.
MAX_CELL_CHARS = 1024 * 1024
_NUMBER = re.compile(r"[-+(]?[$€£]?\s?\d[\d.,:/ -]*[%)]?")


class DelimitedParser:
    """Reads a table of any size; memory holds its text once."""

    name = "delimited/1"
    media_types = frozenset({CSV})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the rows, as tables of some thousand characters each."""
        del pages
        csv.field_size_limit(MAX_CELL_CHARS)
        try:
            return _read(source, csv.QUOTE_MINIMAL)
        except csv.Error:
            return _read(source, csv.QUOTE_NONE)


def _read(source: Source, quoting: Literal[0, 3]) -> Parsed:
    with open_text(source.path) as file:
        lines = file.lines()
        sample = _sample(lines)
        rows = csv.reader(
            chain(sample, lines), delimiter=sniffed(sample), quoting=quoting, strict=False
        )
        elements = [Element(kind=ElementKind.TABLE, text=text) for text in runs(rows)]
    return Parsed(elements, warnings=file.warnings)


def _sample(lines: Iterator[str]) -> list[str]:
    sample: list[str] = []
    size = 0
    for line in islice(lines, SAMPLE_LINES):
        sample.append(line)
        size += len(line)
        if size > SAMPLE_CHARS:
            break
    return sample


def sniffed(sample: list[str]) -> str:
    """Return the delimiter by which most rows have one and the same number of cells above one.

    >>> sniffed(["name;price", "tea;1,50", "salt;0,80"])
    ';'
    """
    return max(DELIMITERS, key=lambda delimiter: _fit(sample, delimiter))


def _fit(sample: list[str], delimiter: str) -> tuple[float, int]:
    try:
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
    except csv.Error:
        return 0.0, 0
    (width, rows), *_ = widths.most_common(1) or [(1, 0)]
    return (rows / widths.total(), width) if width > 1 else (0.0, 0)


def runs(rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield the rows as tables' texts of about `RUN_CHARS`, each under the header there is."""
    texts = filter(None, map(_row, rows))
    first = next(texts, "")
    header = first if _is_header(first) else ""
    run, size = [first], len(first)
    for text in texts:
        if size > RUN_CHARS:
            yield "\n".join(run)
            run, size = [header] if header else [], len(header)
        run.append(text)
        size += len(text)
    yield "\n".join(run)


def _row(cells: list[str]) -> str:
    """Return a row's text, "" when all its cells are empty."""
    row = [" ".join(cell.split()) for cell in cells]
    while row and not row[-1]:
        row.pop()
    return " | ".join(row)


def _is_header(row: str) -> bool:
    """Tell whether a first row names columns: several cells, none empty, none a number."""
    cells = row.split(" | ")
    named = all(cell and not _NUMBER.fullmatch(cell) for cell in cells)
    return named and len(cells) > 1 and len(row) <= MAX_HEADER_CHARS
