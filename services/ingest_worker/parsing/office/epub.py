"""Books in EPUB: the chapters of the spine, each an XHTML page, in reading order.

The format is EPUB 3.3 (W3C); EPUB 2 differs in nothing that is read here.
"""

import posixpath
import urllib.parse
from collections.abc import Iterator
from zipfile import ZipFile

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.encodings import decode
from services.ingest_worker.parsing.office.docx_styles import Node
from services.ingest_worker.parsing.office_types import EPUB
from services.ingest_worker.parsing.packages import content_of, members, xml_root
from services.ingest_worker.parsing.scrub import scrub
from services.ingest_worker.parsing.text.html import read_html
from shared.errors import FileCorrupt, FileEncrypted, FileTooLarge
from shared.models import Element, ElementKind, JobWarning

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
# A long novel is 2 MB of XHTML.
MAX_BOOK_BYTES = 256 * 1024 * 1024
_PAGES = frozenset(("application/xhtml+xml", "text/html", "text/x-oeb1-document"))


class EpubParser:
    """Reads the book's title and its chapters. Its pages are made by its reader: one page."""

    name = "epub/1"
    media_types = frozenset({EPUB})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the chapters."""
        del pages
        elements: list[Element] = []
        warnings: list[JobWarning] = []
        with ZipFile(source.path) as archive:
            package, folder = _package(archive)
            for text in _chapters(archive, package, folder):
                chapter = read_html(text)
                elements += chapter.elements
                warnings += chapter.warnings
            title = " ".join((package.findtext("{*}metadata/{*}title") or "").split())
        if elements and title and all(one.text != title for one in elements[:10]):
            elements.insert(0, Element(kind=ElementKind.TITLE, text=title, level=1))
        return Parsed(elements, warnings=warnings)


def _package(archive: ZipFile) -> tuple[Node, str]:
    """Return the book's package document and the folder its names are relative to."""
    root = xml_root(archive, CONTAINER).find("{*}rootfiles/{*}rootfile")
    if root is None:
        raise FileCorrupt("The book does not say where its package is.")
    name = str(root.get("full-path", ""))
    return xml_root(archive, name), posixpath.dirname(name)


def _chapters(archive: ZipFile, package: Node, folder: str) -> Iterator[str]:
    """Yield the text of each page of the spine; of a locked book, none."""
    locked, left = _locked(archive), MAX_BOOK_BYTES
    for name in _spine(package, folder):
        if name in locked:
            raise FileEncrypted
        if name not in members(archive):
            continue
        content = content_of(archive, name)
        left -= len(content)
        if left < 0:
            raise FileTooLarge("The book's chapters unpack to more than is allowed.")
        yield scrub(decode(content).text)


def _spine(package: Node, folder: str) -> Iterator[str]:
    items = {str(one.get("id")): one for one in package.iterfind("{*}manifest/{*}item")}
    for reference in package.iterfind("{*}spine/{*}itemref"):
        item = items.get(str(reference.get("idref")))
        if item is not None and item.get("media-type") in _PAGES:
            yield posixpath.normpath(posixpath.join(folder, _name(item)))


def _name(item: Node) -> str:
    return urllib.parse.unquote(str(item.get("href", "")).partition("#")[0])


def _locked(archive: ZipFile) -> frozenset[str]:
    """Return the encrypted members: fonts often are, chapters only of a protected book."""
    if ENCRYPTION not in members(archive):
        return frozenset()
    found = xml_root(archive, ENCRYPTION).iter("{*}CipherReference")
    return frozenset(urllib.parse.unquote(str(one.get("URI", ""))) for one in found)
