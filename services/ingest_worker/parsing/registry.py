"""The one way into the parsers: tells the type, picks the reader, scrubs what it yields.

Runs in the parser process. What leaves here is typed: elements of clean text, or one of our
errors.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from services.ingest_worker.parsing.base import (
    Drawing,
    Holder,
    Member,
    PageArtist,
    PagedParser,
    Parsed,
    Parser,
    Plan,
    SlowParser,
    Source,
)
from services.ingest_worker.parsing.detect import CODE, LINES, PLAIN, Detected, detect
from services.ingest_worker.parsing.holders.archives import ArchiveParser
from services.ingest_worker.parsing.holders.mail import MailParser, MhtmlParser
from services.ingest_worker.parsing.holders.outlook import OutlookParser
from services.ingest_worker.parsing.ocr.images import ImageParser
from services.ingest_worker.parsing.office.doc import DocParser
from services.ingest_worker.parsing.office.docx import DocxParser
from services.ingest_worker.parsing.office.epub import EpubParser
from services.ingest_worker.parsing.office.ods import OdsParser
from services.ingest_worker.parsing.office.odt import OdpParser, OdtParser
from services.ingest_worker.parsing.office.ppt import PptParser
from services.ingest_worker.parsing.office.pptx import PptxParser
from services.ingest_worker.parsing.office.rtf import RtfParser
from services.ingest_worker.parsing.office.xls import XlsParser
from services.ingest_worker.parsing.office.xlsb import XlsbParser
from services.ingest_worker.parsing.office.xlsx import XlsxParser
from services.ingest_worker.parsing.pdf.parser import PdfParser
from services.ingest_worker.parsing.scrub import scrub
from services.ingest_worker.parsing.text.delimited import DelimitedParser
from services.ingest_worker.parsing.text.html import HtmlParser
from services.ingest_worker.parsing.text.json_data import JsonParser
from services.ingest_worker.parsing.text.markdown import MarkdownParser
from services.ingest_worker.parsing.text.notebook import NotebookParser
from services.ingest_worker.parsing.text.org import OrgParser
from services.ingest_worker.parsing.text.plain import TextParser
from services.ingest_worker.parsing.text.rst import RstParser
from services.ingest_worker.parsing.text.subtitles import SubtitleParser
from services.ingest_worker.parsing.text.xml import XmlParser
from services.ingest_worker.parsing.warned import merged
from shared.errors import CitewellError, FileCorrupt, NotFound, TypeUnsupported
from shared.models import Element, ElementKind, JobWarning

MAX_DETAIL_CHARS = 300
# A document's name is at most 2,000 bytes, and may have several of these in it.
MAX_NAME_CHARS = 200
# Anything but white space, soft hyphens, joiners, direction marks and byte order marks.
_VISIBLE = re.compile("[^\\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")

T = TypeVar("T")


def build_parsers() -> tuple[Parser, ...]:
    """Return every parser there is; a new format adds its line here."""
    return (
        PdfParser(),
        DocxParser(),
        PptxParser(),
        XlsxParser(),
        XlsbParser(),
        XlsParser(),
        DocParser(),
        PptParser(),
        OdtParser(),
        OdpParser(),
        OdsParser(),
        EpubParser(),
        RtfParser(),
        HtmlParser(),
        MarkdownParser(),
        RstParser(),
        OrgParser(),
        DelimitedParser(),
        JsonParser(),
        XmlParser(),
        NotebookParser(),
        SubtitleParser(),
        MailParser(),
        MhtmlParser(),
        OutlookParser(),
        ArchiveParser(),
        ImageParser(),
        TextParser(ElementKind.PARAGRAPH, frozenset({PLAIN, LINES})),
        TextParser(ElementKind.CODE, frozenset({CODE})),
    )


class Parsers:
    """Parsers by media type."""

    def __init__(self, parsers: Iterable[Parser] | None = None) -> None:
        """Take the parsers; every one there is unless told otherwise."""
        parsers = build_parsers() if parsers is None else parsers
        readers = map(_reader, parsers)
        self._by_type = {kind: one for one in readers for kind in one.parser.media_types}

    def plan(self, source: Source) -> Plan:
        """Tell a file's type and count its pages."""
        detected, reader = self._detect(source)
        paged, slow = reader.paged, reader.slow
        pages = _guarded(lambda: paged.plan(source)) if paged else 1
        # One page is one part, however slow: looking costs as much as reading it.
        most = _guarded(lambda: slow.part_pages(source)) if slow and pages > 1 else None
        return Plan(detected.media_type, pages, reader.parser.name, most)

    def draw(self, source: Source, drawing: Drawing) -> bytes:
        """Return a page as PNG.

        Raises:
            NotFound: the file has no such page.
            TypeUnsupported: its pages have no looks of their own.
        """
        artist = self._detect(source)[1].artist
        if artist is None:
            raise TypeUnsupported("Only pages of PDF and picture files can be drawn.")
        drawn = _guarded(lambda: artist.draw(source, drawing))
        if drawn is None:
            raise NotFound(f"The file has no page {drawing.page}.")
        return drawn

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read a run of pages, or everything.

        A wrong file name is warned about with the first page; a text without pages that has no
        text, too: nothing is dropped in silence.
        """
        detected, reader = self._detect(source)
        parsed = _guarded(lambda: reader.parser.parse(source, pages))
        elements = [one for one in map(_scrubbed, parsed.elements) if _VISIBLE.search(one.text)]
        warnings = [_told(warning) for warning in parsed.warnings]
        if pages is None or pages.start <= 1:
            warnings = [*detected.warnings, *warnings]
        if not elements and not parsed.warnings:
            warnings.append(JobWarning(code="page_without_text", detail="There is no text in it."))
        return dataclasses.replace(parsed, elements=elements, warnings=merged(warnings))

    def unpack(self, source: Source, pages: range | None = None) -> Iterator[Member | JobWarning]:
        """Yield the files in a run of pages, or in all, under names that are clean and differ.

        What cannot be read of a member comes out of its pieces as `FileCorrupt`.
        """
        holder = self._detect(source)[1].holder
        if holder is None:
            raise TypeUnsupported("There are no files in such a file.")
        names: Counter[str] = Counter()
        members = holder.unpack(source, pages)
        while (one := _guarded(lambda: next(members, None))) is not None:
            if isinstance(one, JobWarning):
                yield _told(one)
            else:
                yield Member(distinct(clean_name(one.name), names), _guarded_pieces(one.pieces))

    def _detect(self, source: Source) -> tuple[Detected, "_Reader"]:
        detected = _guarded(lambda: detect(source.path, source.filename))
        reader = self._by_type.get(detected.media_type)
        if reader is None:
            raise TypeUnsupported
        return detected, reader


@dataclass(frozen=True, slots=True)
class _Reader:
    """A parser and what else it can do, asked once: to ask takes a tenth of a small file's time."""

    parser: Parser
    paged: PagedParser | None
    slow: SlowParser | None
    holder: Holder | None
    artist: PageArtist | None


def _reader(parser: Parser) -> _Reader:
    return _Reader(
        parser,
        paged=parser if isinstance(parser, PagedParser) else None,
        slow=parser if isinstance(parser, SlowParser) else None,
        holder=parser if isinstance(parser, Holder) else None,
        artist=parser if isinstance(parser, PageArtist) else None,
    )


def _guarded(read: Callable[[], T]) -> T:
    """Run a reader; whatever its library raises on a bad file means that the file is bad."""
    try:
        return read()
    except (CitewellError, MemoryError):
        raise
    except Exception as error:
        message = " ".join(scrub(str(error)).split())[:MAX_DETAIL_CHARS]
        raise FileCorrupt(f"The file cannot be read: {message or type(error).__name__}") from error


def _guarded_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    while (piece := _guarded(lambda: next(pieces, None))) is not None:
        yield piece


def clean_name(name: str) -> str:
    """Return what a member is called, as the name of a document may be: one short line."""
    return " ".join(scrub(name).split())[:MAX_NAME_CHARS] or "unnamed"


def distinct(name: str, seen: Counter[str]) -> str:
    """Return a name that was not seen before, and count it: `a.txt`, else `a (2).txt` and so on."""
    suffix, found = PurePosixPath(name).suffix, name
    while found in seen:
        seen[name] += 1
        found = f"{name.removesuffix(suffix)} ({seen[name]}){suffix}"
    seen[found] = 1
    return found


def _scrubbed(element: Element) -> Element:
    text = scrub(element.text).strip("\n").rstrip()
    return element if text == element.text else element.model_copy(update={"text": text})


def _told(warning: JobWarning) -> JobWarning:
    return warning.model_copy(update={"detail": scrub(warning.detail)[:MAX_DETAIL_CHARS]})
