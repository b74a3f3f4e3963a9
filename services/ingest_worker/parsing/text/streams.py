"""Text files read piece by piece: their encoding is told from a part, so memory stays small."""

import codecs
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from services.ingest_worker.parsing.encodings import SAMPLE_BYTES, decode
from services.ingest_worker.parsing.scrub import scrub
from shared.models import JobWarning

# Files up to this are told by the whole of them.
WHOLE_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
# A line that is longer comes in several pieces.
MAX_LINE_CHARS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TextFile:
    """An open text file, the encoding it is read in, and what to tell about it."""

    stream: TextIO
    encoding: str
    warnings: list[JobWarning]

    def lines(self) -> Iterator[str]:
        r"""Yield its lines as clean text, each with its "\n" but perhaps the last."""
        while line := self.stream.readline(MAX_LINE_CHARS):
            yield scrub(line)

    def pieces(self) -> Iterator[str]:
        """Yield its text as it is, some at a time."""
        while piece := self.stream.read(PIECE_BYTES):
            yield piece


@contextmanager
def open_text(path: Path) -> Iterator[TextFile]:
    """Open a text file in its own encoding; what does not fit that becomes U+FFFD.

    Raises:
        TypeUnsupported: these bytes are no text in any encoding we know.
    """
    with path.open("rb") as file:
        encoding, warnings = _encoding(file)
    with path.open(encoding=encoding, errors="replace") as stream:
        yield TextFile(stream, encoding, warnings)


def _encoding(file: BinaryIO) -> tuple[str, list[JobWarning]]:
    head = file.read(WHOLE_BYTES)
    told = decode(_to_line_end(head) if len(head) == WHOLE_BYTES else head)
    if told.encoding == "utf-8" and not told.warnings:
        # A file of mostly ASCII may show its encoding late.
        strange = _first_strange(_blocks(file, head))
        told = told if strange is None else decode(strange)
    return told.encoding, told.warnings


def _blocks(file: BinaryIO, head: bytes) -> Iterator[bytes]:
    yield head
    while block := file.read(PIECE_BYTES):
        yield block


def _first_strange(blocks: Iterable[bytes]) -> bytes | None:
    """Return the surroundings of the first bytes that are no UTF-8, None when all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for block in blocks:
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            line = block.rfind(b"\n", 0, error.start) + 1
            return block[line : line + SAMPLE_BYTES]
    return None


def _to_line_end(block: bytes) -> bytes:
    return block[: block.rfind(b"\n") + 1] or block
