"""What kind of file this is: by its content first, by its name where content cannot tell."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.ingest_worker.parsing import office_types
from services.ingest_worker.parsing.encodings import is_text
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileEmpty, TypeUnsupported
from shared.models import JobWarning

PDF = "application/pdf"
DOCX = office_types.DOCX
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
CODE = "text/x-source"
LINES = "text/x-lines"
RST = "text/x-rst"
ORG = "text/org"
CSV = "text/csv"
JSON = "application/json"
XML = "application/xml"
NOTEBOOK = "application/x-ipynb+json"
SUBTITLES = "text/vtt"
MAIL = "message/rfc822"
MHTML = "multipart/related"
OUTLOOK = office_types.OUTLOOK
ZIP = office_types.ZIP
TAR = "application/x-tar"
COMPRESSED = "application/gzip"

PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"
GIF = "image/gif"
BMP = "image/bmp"
WEBP = "image/webp"
PICTURES = frozenset({PNG, JPEG, TIFF, GIF, BMP, WEBP})

HEAD_BYTES = 8192
# Readers forgive this much in front of a PDF's header (PDF 1.7, appendix H, note 13).
PDF_JUNK_BYTES = 1024

_SUFFIXES = {
    PDF: ".pdf",
    **office_types.SUFFIXES,
    HTML: ".html .htm .xhtml",
    MARKDOWN: ".md .markdown .mdown .mkd",
    PLAIN: ".txt .text .tex",
    LINES: ".log .yaml .yml .toml .ini .cfg .conf .properties",
    RST: ".rst",
    ORG: ".org",
    CSV: ".csv .tsv",
    JSON: ".json .jsonl .ndjson .geojson",
    XML: ".xml .svg .rss .atom .dbk .docbook .opml .kml .gpx .xsd",
    NOTEBOOK: ".ipynb",
    SUBTITLES: ".srt .vtt",
    MAIL: ".eml",
    MHTML: ".mht .mhtml",
    PNG: ".png .apng",
    JPEG: ".jpg .jpeg .jpe .jfif .mpo",
    TIFF: ".tif .tiff",
    GIF: ".gif",
    BMP: ".bmp .dib",
    WEBP: ".webp",
    CODE: ".py .js .ts .jsx .tsx .java .c .h .cc .cpp .hpp .cs .go .rs .rb .php .pl .sh .bash .ps1"
    " .sql .r .jl .lua .kt .scala .swift .m .css .scss .hs .ex .erl .clj .dart",
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
# Text underneath, but to read it as text would be to index its wrapping. No parser yet.
_WRAPPED = ".ps .eps .vcf"
_WRAPPED_HEADS = (b"%!PS",)
_FLAT_ODF = re.compile(rb"<office:document\s[^>]*office:mimetype=\"([^\"]+)\"")
# The first bytes of gzip, bzip2 and xz.
_COMPRESSED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00")
# Where a tar says so (POSIX.1-2001, ustar).
_TAR_MARK = slice(257, 262)
_PICTURE_HEADS = {
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": JPEG,
    b"II*\x00": TIFF,
    b"MM\x00*": TIFF,
    b"II+\x00": TIFF,
    b"MM\x00+": TIFF,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
}
_MARKUP = re.compile(
    rb"\s*+(?><\?xml[^>]*\?>\s*|<!--.{0,2000}?-->\s*)*+<(?:!doctype\s+html|html[\s>])",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Detected:
    """A media type of ours, and a warning when the name said something else."""

    media_type: str
    warnings: list[JobWarning]


def detect(path: Path, filename: str) -> Detected:
    """Tell a file's media type.

    Raises:
        FileEmpty: it holds no bytes.
        FileEncrypted: it is an Office document behind a password.
        FileCorrupt: it is a damaged document of a kind its name and content agree on.
        TypeUnsupported: it is anything else.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise FileEmpty
    suffix = PurePosixPath(filename or path.name).suffix.lower()
    media_type = _packaged(path, head, suffix) or _textual(head, suffix)
    return Detected(media_type, _corrections(media_type, suffix))


def _packaged(path: Path, head: bytes, suffix: str) -> str | None:
    """Return the type of what begins like a PDF, a zip, a compound file or rich text."""
    if _is_pdf(head, suffix):
        return PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(path, suffix)
    if head.startswith(office_types.OLE):
        return office_types.compound_type(path, _BY_SUFFIX.get(suffix))
    if head.startswith(_COMPRESSED):
        return COMPRESSED
    if head[_TAR_MARK] == b"ustar":
        return TAR
    # A fragment, as some programs write it, is told by its name.
    mark = b"{\\" if suffix == ".rtf" else b"{\\rt"
    return office_types.RTF if head.lstrip().startswith(mark) else _pictured(head)


def _pictured(head: bytes) -> str | None:
    """Return the type of what begins like a picture; a text may begin with `BM`, too."""
    for begin, media_type in _PICTURE_HEADS.items():
        if head.startswith(begin):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return BMP if head.startswith(b"BM") and b"\0\0\0\0" in head[:14] else None


def _is_pdf(head: bytes, suffix: str) -> bool:
    if head.startswith(b"%PDF-"):
        return True
    # Further in, the mark may also stand in a text that speaks of PDF.
    return b"%PDF-" in head[:PDF_JUNK_BYTES] and (suffix == ".pdf" or not is_text(head))


def _zipped(path: Path, suffix: str) -> str:
    found = office_types.zipped_type(path, ZIP if suffix == ".zip" else _BY_SUFFIX.get(suffix))
    if found is not None:
        return found
    # Many formats are zips underneath: only what is called one is taken apart.
    if suffix in {".zip", ""}:
        return ZIP
    raise TypeUnsupported


def _textual(head: bytes, suffix: str) -> str:
    if not is_text(head):
        raise TypeUnsupported
    named = _BY_SUFFIX.get(suffix)
    if flat := _FLAT_ODF.search(head):
        return office_types.open_document_type(flat[1].decode("ascii", "replace")) or PLAIN
    if (suffix and suffix in _WRAPPED.split()) or head.lstrip().startswith(_WRAPPED_HEADS):
        raise TypeUnsupported
    if named in {None, PDF, *office_types.BINARY}:
        named = XML if _declares_xml(head) else None
    if named in (None, PLAIN, LINES, XML) and _MARKUP.match(head):
        return HTML
    return named or PLAIN


def _declares_xml(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").startswith(b"<?xml")


def _corrections(media_type: str, suffix: str) -> list[JobWarning]:
    """Warn when the name promised a type we know and the content is another."""
    named = _BY_SUFFIX.get(suffix)
    if named in (None, media_type):
        return []
    detail = f"The name ends in {scrub(suffix)}, but the content is {media_type}."
    return [JobWarning(code="type_corrected", detail=detail)]
