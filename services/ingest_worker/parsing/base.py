"""The parser's port: a file on disk in, elements in reading order out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from shared.models import Box, Element, JobWarning, ParseOptions
from shared.settings_programs import PARSER_PROGRAMS

OcrChoice = Literal["auto", "tesseract", "rapidocr", "off"]


@dataclass(frozen=True, slots=True)
class OcrOrder:
    """How pages that are pictures are to be read: by which engine, in which language, how long.

    `budget_s` is for all pages of one call; `language` as in `ParseOptions`. An engine that is a
    program is looked for among `programs` alone: no other could be started.
    """

    engine: OcrChoice = "auto"
    language: str | None = None
    budget_s: float = 90.0
    programs: tuple[Path, ...] = PARSER_PROGRAMS


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be read: where it lies, what its sender called it, and how it is to be read."""

    path: Path
    filename: str = ""
    options: ParseOptions = field(default_factory=ParseOptions)
    password: str | None = None
    ocr: OcrOrder = field(default_factory=OcrOrder)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a file before it is read: its type, its pages and who will read it.

    `parser` names the adapter and its version; the version keeps it. `part_pages` is there when its
    pages take long: no part should have more.
    """

    media_type: str
    pages: int
    parser: str
    part_pages: int | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read of a file, or of a run of its pages; `pages` counts those that were read.

    No elements is no error here: a part may be all pictures. Only the whole job can tell that
    there was no text at all. With `holds_files` there are files in what was read, to be unpacked.
    """

    elements: list[Element]
    pages: int = 1
    warnings: list[JobWarning] = field(default_factory=list)
    holds_files: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a file: what it is called in there, and its bytes.

    The name is data: slashes, dots and all. The pieces are to be taken before the next member.
    """

    name: str
    pieces: Iterator[bytes]


@runtime_checkable
class Holder(Protocol):
    """A parser that hands out the files inside files of its formats, streamed.

    What it parses says whether there are any, so that files without any are not looked at twice.
    """

    def unpack(self, source: Source, pages: range | None) -> Iterator[Member | JobWarning]:
        """Yield the members of a run of pages, or all, in order; a warning where one is left out.

        What belongs to no page comes with the first. Names of two runs differ.

        Raises:
            ArchiveUnsafe: it would unpack to too much.
        """
        ...


class Parser(Protocol):
    """Reads the formats it names; a file of theirs is one page unless it is a `PagedParser`.

    All calls raise `FileCorrupt`, `FileEncrypted` and their like. Any other exception counts as
    `FileCorrupt` too: the registry turns it into one, so an adapter need not guess what its
    library may raise on a damaged file.
    """

    @property
    def name(self) -> str:
        """The reader and its version; changes when the same file may give other elements."""
        ...

    @property
    def media_types(self) -> frozenset[str]:
        """The media types it reads, as `detect` names them."""
        ...

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the pages of `pages` (counted from 1, half open), or all when it is None."""
        ...


@runtime_checkable
class PagedParser(Protocol):
    """A parser whose files have pages: physical ones, slides, sheets or frames."""

    def plan(self, source: Source) -> int:
        """Return the number of pages, cheaply."""
        ...


@runtime_checkable
class SlowParser(Protocol):
    """A parser whose pages may take seconds each."""

    def part_pages(self, source: Source) -> int | None:
        """Return the most pages a part of a longer file should have; None when it is not slow."""
        ...


@dataclass(frozen=True, slots=True)
class Drawing:
    """Which page to draw, with what marked on it, at most how many pixels long and wide."""

    page: int
    marks: tuple[Box, ...]
    longest: int


@runtime_checkable
class PageArtist(Protocol):
    """A parser that can show the pages of its formats."""

    def draw(self, source: Source, drawing: Drawing) -> bytes | None:
        """Return a page as PNG; None when the file has no such page."""
        ...
