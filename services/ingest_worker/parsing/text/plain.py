"""Plain text and its family (tables, logs, markup, source code read as text): paragraphs out."""

import re
from collections.abc import Iterator
from pathlib import Path

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.encodings import decode_file
from shared.models import Element, ElementKind

# A log or a table has no blank lines: it is cut before an element grows past this.
MAX_CHARS = 4000
# The next line's indentation is left alone.
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_SPACE = re.compile(r"\s")


class TextParser:
    """Reads text: the runs between blank lines are its elements."""

    name = "text/1"

    def __init__(self, kind: ElementKind, media_types: frozenset[str]) -> None:
        """Take the kind of the elements and the media types this instance stands for."""
        self._kind = kind
        self.media_types = media_types

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Decode the file and cut it at blank lines."""
        del pages
        return read_text(source.path, self._kind)


def read_text(path: Path, kind: ElementKind) -> Parsed:
    """Read a file as text: the runs between blank lines are elements of this kind."""
    decoded = decode_file(path)
    elements = [Element(kind=kind, text=text) for text in paragraphs(decoded.text)]
    return Parsed(elements, warnings=decoded.warnings)


def paragraphs(text: str) -> Iterator[str]:
    """Yield the runs between blank lines, long ones in pieces."""
    for paragraph in _BLANK_LINES.split(text):
        yield from pieces(paragraph)


def pieces(text: str, size: int = MAX_CHARS) -> Iterator[str]:
    """Cut a long paragraph at line ends, else at white space, after at most `size` characters.

    A word that is longer stays whole.
    """
    start = 0
    while len(text) - start > size:
        cut = text.rfind("\n", start + 1, start + size) + 1
        cut = cut or text.rfind(" ", start + 1, start + size) + 1
        if not cut:
            space = _SPACE.search(text, start + size)
            cut = space.end() if space else len(text)
        yield text[start:cut].rstrip()
        start = cut
    yield text[start:].rstrip()
