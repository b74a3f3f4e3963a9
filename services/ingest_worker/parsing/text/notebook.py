"""Jupyter notebooks (nbformat 3 and 4): their Markdown, their code, and what it printed."""

import json
from collections.abc import Iterator
from typing import Any

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import NOTEBOOK
from services.ingest_worker.parsing.encodings import decode
from services.ingest_worker.parsing.scrub import scrub
from services.ingest_worker.parsing.text.html import read_html
from services.ingest_worker.parsing.text.markdown import read_markdown
from services.ingest_worker.parsing.text.plain import pieces
from shared.errors import FileCorrupt
from shared.models import Element, ElementKind


class NotebookParser:
    """Reads a notebook's cells in order; pictures among the outputs are left out."""

    name = "notebook/1"
    media_types = frozenset({NOTEBOOK})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the cells.

        Raises:
            FileCorrupt: there is no notebook in the file.
        """
        del pages
        try:
            notebook = json.loads(decode(source.path.read_bytes()).text)
        except (ValueError, RecursionError) as error:
            raise FileCorrupt("The notebook is no valid JSON.") from error
        if not isinstance(notebook, dict):
            raise FileCorrupt("There is no notebook in this file.")
        cells = (element for cell in _cells(notebook) for element in _cell(cell))
        return Parsed([*_title(notebook), *cells])


def _title(notebook: dict[str, Any]) -> Iterator[Element]:
    metadata = notebook.get("metadata")
    if isinstance(metadata, dict) and (title := _text(metadata.get("title"))):
        yield Element(kind=ElementKind.TITLE, text=" ".join(title.split()), level=1)


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # Before nbformat 4 cells stood on worksheets.
    sheets = notebook.get("worksheets") or [notebook]
    for sheet in _dicts(sheets):
        yield from _dicts(sheet.get("cells"))


def _cell(cell: dict[str, Any]) -> Iterator[Element]:
    kind, text = cell.get("cell_type"), _text(cell.get("source", cell.get("input")))
    if kind == "markdown":
        yield from read_markdown(text)
    elif kind == "heading":
        level = min(max(_number(cell.get("level")), 1), 9)
        yield Element(kind=ElementKind.TITLE, text=" ".join(text.split()), level=level)
    elif kind == "code":
        yield from _code(text)
        for output in _dicts(cell.get("outputs")):
            yield from _output(output)
    else:
        yield Element(kind=ElementKind.PARAGRAPH, text=text)


def _output(output: dict[str, Any]) -> Iterator[Element]:
    # Before nbformat 4 the data stood in the output itself, under shorter names.
    data = output.get("data")
    data = data if isinstance(data, dict) else output
    plain = _text(output.get("text")) or _text(data.get("text/plain"))
    html = _text(data.get("text/html") or data.get("html"))
    if markdown := _text(data.get("text/markdown")):
        yield from read_markdown(markdown)
    else:
        yield from read_html(html).elements
        # A table comes once; of anything else the plain form may say more.
        yield from _code("" if "<table" in html else plain or _error(output))


def _error(output: dict[str, Any]) -> str:
    name, value = _text(output.get("ename")), _text(output.get("evalue"))
    return f"{name}: {value}" if name else ""


def _code(text: str) -> Iterator[Element]:
    for piece in pieces(text.strip("\n").rstrip()):
        yield Element(kind=ElementKind.CODE, text=piece)


def _text(value: object) -> str:
    """Return a text that the format keeps as one string or as a list of lines."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return scrub(value) if isinstance(value, str) else ""


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield one


def _number(value: object) -> int:
    return value if isinstance(value, int) else 1
