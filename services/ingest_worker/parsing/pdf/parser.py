"""PDF through pdfium: pages read one by one, laid out next door, tables carried over pages.

Measured: with layout, tables and annotations it reads 250 to 500 pages a CPU-second.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pypdfium2  # type: ignore[import-untyped]
from pypdfium2 import raw

from services.ingest_worker.parsing.base import Drawing, Member, Parsed, Source
from services.ingest_worker.parsing.detect import PDF
from services.ingest_worker.parsing.memory import forget_peak
from services.ingest_worker.parsing.ocr.pictures import marked_png
from services.ingest_worker.parsing.pdf.files import document_names, left_out, listed, members
from services.ingest_worker.parsing.pdf.layout import (
    MIN_OUTLINE,
    Profile,
    body_height,
    page_elements,
    plain,
)
from services.ingest_worker.parsing.pdf.lines import Line
from services.ingest_worker.parsing.pdf.locks import read_lock
from services.ingest_worker.parsing.pdf.pages import Pages, SeenPage
from services.ingest_worker.parsing.pdf.scans import ScannedPages, part_pages, render
from shared.errors import FileCorrupt, FileEncrypted
from shared.models import Element, JobWarning

MAX_BOOKMARKS = 20_000
SAMPLED_PAGES = 12
REMEMBERED_PROFILES = 4
FINGERPRINT_BYTES = 64 * 1024
# Four pixels a point: a small page is not blown up further.
MAX_SCALE = 4.0
_WRONG = "The password that was given does not open this file."


class PdfParser:
    """Reads the text layer of PDF files; of pages without one, their picture."""

    name = f"pdfium/3 {pypdfium2.PDFIUM_INFO.build}"
    media_types = frozenset({PDF})

    def __init__(self) -> None:
        self._profiles: OrderedDict[bytes, Profile] = OrderedDict()

    def plan(self, source: Source) -> int:
        """Count the pages."""
        with _opened(source) as document:
            return len(document)

    def part_pages(self, source: Source) -> int | None:
        """Parts of a scan are short, if its pages are read at all."""
        if source.ocr.engine == "off":
            return None
        with _opened(source) as document:
            return part_pages(document)

    def draw(self, source: Source, drawing: Drawing) -> bytes | None:
        """Return a page as PNG, what is wanted of it marked."""
        with _opened(source) as document:
            if drawing.page > len(document):
                return None
            document.init_forms()
            image, scale = render(document, drawing.page, MAX_SCALE, drawing.longest)
            return marked_png(image, drawing.marks, scale)

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read a window of pages; titles are told by the whole document's profile."""
        with _opened(source) as document:
            window = pages or range(1, len(document) + 1)
            window = range(window.start, min(window.stop, len(document) + 1))
            seen = Pages(document)
            profile = self._profile(_fingerprint(source.path), document, seen)
            elements: list[Element] = []
            warnings: list[JobWarning] = []
            scans = ScannedPages(source.ocr)
            holds_files = False
            for page in seen.read(window):
                shown, told = _shown(document, page, profile, scans)
                files = _files(document, page)
                holds_files = holds_files or bool(files)
                elements += [*shown, *listed(files, page.number)]
                warnings += told
        return Parsed(elements, len(window), warnings, holds_files)

    def unpack(self, source: Source, pages: range | None) -> Iterator[Member | JobWarning]:
        """Yield the files of the document, and those that are pinned to its pages."""
        with _opened(source) as document:
            if _is_encrypted(document) and read_lock(source.path).is_on_files:
                yield from left_out(document, pages)
            else:
                yield from members(document, pages, source.path.stat().st_size)

    def _profile(self, key: bytes, document: pypdfium2.PdfDocument, seen: Pages) -> Profile:
        """Return the document's profile: every part of it needs the same one."""
        if key not in self._profiles:
            self._profiles[key] = _read_profile(document, seen)
            if len(self._profiles) > REMEMBERED_PROFILES:
                self._profiles.popitem(last=False)
        return self._profiles[key]


def _fingerprint(path: Path) -> bytes:
    """Return what tells a file from others; each part comes as a new copy of it on disk."""
    with path.open("rb") as file:
        head = file.read(FINGERPRINT_BYTES)
        # A PDF's end holds its file identifier (PDF 1.7, 14.4).
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - FINGERPRINT_BYTES))
        tail = file.read()
    return hashlib.sha256(b"%d " % size + head + tail).digest()


@contextmanager
def _opened(source: Source) -> Iterator[pypdfium2.PdfDocument]:
    forget_peak()
    try:
        document = pypdfium2.PdfDocument(source.path, password=source.password)
    except pypdfium2.PdfiumError as error:
        if error.err_code in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}:
            raise FileEncrypted(_WRONG if source.password else None) from error
        raise FileCorrupt(f"The PDF cannot be opened: {error}") from error
    try:
        if _is_encrypted(document):
            _check_password(source)
        yield document
    finally:
        document.close()


def _is_encrypted(document: pypdfium2.PdfDocument) -> bool:
    return bool(raw.FPDF_GetSecurityHandlerRevision(document.raw) > 0)


def _check_password(source: Source) -> None:
    """Refuse what pdfium opens without asking: a cover page may lie around locked files."""
    lock = read_lock(source.path)
    if lock.is_partial and not any(map(lock.opens_with, {"", source.password or ""})):
        raise FileEncrypted(_WRONG if source.password else None)


def _shown(
    document: pypdfium2.PdfDocument, page: SeenPage, profile: Profile, scans: ScannedPages
) -> tuple[list[Element], list[JobWarning]]:
    if page.content is None:
        return [], [_damaged(page.number)]
    text = page_elements(page.items, page.number, profile, page.content) if page.items else []
    return scans.supplemented(document, page.number, text)


def _files(document: pypdfium2.PdfDocument, page: SeenPage) -> list[str]:
    """Return the names of a page's files; the document's are with its first page."""
    names = document_names(document) if page.number == 1 else []
    return [*names, *(page.content.files if page.content else [])]


def _damaged(page: int) -> JobWarning:
    return JobWarning(code="page_unreadable", detail="The page is damaged.", page=page)


def _read_profile(document: pypdfium2.PdfDocument, seen: Pages) -> Profile:
    outline = _read_outline(document)
    return Profile(0.0, outline) if outline else Profile(body_height(_sample(document, seen)))


def _sample(document: pypdfium2.PdfDocument, seen: Pages) -> Iterator[Line]:
    count = len(document)
    for page in range(1, count + 1, max(1, count // SAMPLED_PAGES)):
        content = seen.content(page)
        yield from content.lines if content else ()


def _read_outline(document: pypdfium2.PdfDocument) -> dict[int, dict[str, int]]:
    """Return the bookmarks' titles by page; nothing if there are too few to mean sections."""
    outline: dict[int, dict[str, int]] = {}
    count = 0
    for bookmark in islice(document.get_toc(max_depth=9), MAX_BOOKMARKS):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        title = plain(bookmark.get_title())
        if page is not None and title:
            outline.setdefault(page + 1, {}).setdefault(title, bookmark.level + 1)
            count += 1
    return outline if count >= MIN_OUTLINE else {}
