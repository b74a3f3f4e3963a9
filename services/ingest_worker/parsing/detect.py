"""What kind of file this is: by its content first, by its name where content cannot tell."""

import mmap
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.ingest_worker.parsing.encodings import is_text
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileCorrupt, FileEmpty, FileEncrypted, TypeUnsupported
from shared.models import JobWarning

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
CODE = "text/x-source"
LINES = "text/x-lines"

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
    DOCX: ".docx .docm .dotx",
    HTML: ".html .htm .xhtml",
    MARKDOWN: ".md .markdown .mdown .mkd",
    PLAIN: ".txt .text .rst .org .tex",
    LINES: ".csv .tsv .json .jsonl .ndjson .xml .log .srt .vtt .yaml .yml .toml .ini .cfg .conf"
    " .properties",
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
_WRAPPED = ".eml .mht .mhtml .rtf .ipynb .ps .eps .svg .fodt .fods .vcf"
_WRAPPED_HEADS = (b"{\\rtf", b"%!PS")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Stream names of a compound file are UTF-16; this one holds an encrypted Office document
# (MS-OFFCRYPTO 2.3.4.4).
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
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
    rb"\s*(?:<\?xml[^>]*\?>\s*|<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html[\s>])",
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
    """Return the type of what begins like a PDF, a zip or a compound file."""
    if _is_pdf(head, suffix):
        return PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(path, suffix)
    if head.startswith(_OLE):
        _refuse_compound(path)
    return _pictured(head)


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
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
        if _BY_SUFFIX.get(suffix) == DOCX:
            raise FileCorrupt(f"The document's zip cannot be read: {scrub(str(error))}") from error
        raise TypeUnsupported from error
    if "[Content_Types].xml" in names and any(name.startswith("word/") for name in names):
        return DOCX
    if _BY_SUFFIX.get(suffix) == DOCX:
        raise FileCorrupt("There is no Word document in this file.")
    raise TypeUnsupported


def _refuse_compound(path: Path) -> None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_OLE_ENCRYPTED) >= 0:
            raise FileEncrypted
    raise TypeUnsupported("Word, Excel and PowerPoint files of before 2007 cannot be read.")


def _textual(head: bytes, suffix: str) -> str:
    if not is_text(head):
        raise TypeUnsupported
    named = _BY_SUFFIX.get(suffix)
    if (suffix and suffix in _WRAPPED.split()) or head.lstrip().startswith(_WRAPPED_HEADS):
        raise TypeUnsupported
    if named in (None, PLAIN, PDF, DOCX, LINES) and _MARKUP.match(head):
        return HTML
    return PLAIN if named in (None, PDF, DOCX) else named


def _corrections(media_type: str, suffix: str) -> list[JobWarning]:
    """Warn when the name promised a type we know and the content is another."""
    named = _BY_SUFFIX.get(suffix)
    if named in (None, media_type):
        return []
    detail = f"The name ends in {scrub(suffix)}, but the content is {media_type}."
    return [JobWarning(code="type_corrected", detail=detail)]
