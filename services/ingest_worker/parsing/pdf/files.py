"""Files inside a PDF: those of the document, and those pinned to a page as an annotation.

The sender of an invoice attaches its data, a portfolio is a cover page around what it is for.
"""

import ctypes
from collections.abc import Iterator, Sequence
from itertools import islice

import pypdfium2  # type: ignore[import-untyped]
from pypdfium2 import raw

from services.ingest_worker.parsing.base import Member
from services.ingest_worker.parsing.holders.archives import (
    HARMLESS_BYTES,
    MAX_LISTED,
    MAX_LISTED_CHARS,
    MAX_RATIO,
    PIECE_BYTES,
)
from services.ingest_worker.parsing.pdf.annotations import file_name, pinned_files
from services.ingest_worker.parsing.pdf.handles import loaded_page
from shared.errors import ArchiveUnsafe, FileCorrupt
from shared.models import Element, ElementKind, JobWarning


def document_names(document: pypdfium2.PdfDocument) -> list[str]:
    """Return the names of the files that are attached to the document as a whole."""
    return [file_name(file) for file in islice(_document_files(document), MAX_LISTED)]


def listed(names: Sequence[str], page: int) -> list[Element]:
    """Return what a page says of its files: a document is found by what it holds."""
    if not names:
        return []
    shown = dict.fromkeys(name[:MAX_LISTED_CHARS] or "unnamed" for name in names)
    text = "Attachments: " + ", ".join(shown)
    return [Element(kind=ElementKind.PARAGRAPH, text=text, page=page)]


def members(
    document: pypdfium2.PdfDocument, pages: range | None, file_bytes: int
) -> Iterator[Member]:
    """Yield the files of a run of pages, or of all; those of the document come with the first.

    Args:
        document: the PDF, open until the last piece is taken.
        pages: counted from 1, half open.
        file_bytes: the size of the PDF.

    Raises:
        ArchiveUnsafe: out of the pieces; a file is far larger than the PDF.
        FileCorrupt: out of the pieces; a file cannot be unpacked.
    """
    most = HARMLESS_BYTES + MAX_RATIO * file_bytes
    for name, file in _files(document, pages):
        yield Member(name, _pieces(file, most))


def left_out(document: pypdfium2.PdfDocument, pages: range | None) -> Iterator[JobWarning]:
    """Yield what is to be told of the same files where they are under a lock of their own."""
    for name, _ in _files(document, pages):
        detail = f"{name} is left out: it is encrypted apart from the pages."
        yield JobWarning(code="attachment_skipped", detail=detail)


def _files(
    document: pypdfium2.PdfDocument, pages: range | None
) -> Iterator[tuple[str, raw.FPDF_ATTACHMENT]]:
    window = pages or range(1, len(document) + 1)
    attached = list(_document_files(document))
    if window.start <= 1:
        for number, file in enumerate(attached, start=1):
            yield file_name(file) or f"attachment-{number}", file
    # What is pinned to a page may be among the document's, too.
    known = set(map(_address, attached))
    for page in window:
        with loaded_page(document, page) as handle:
            found = (file for file in pinned_files(handle) if _address(file) not in known)
            for number, file in enumerate(found, start=1):
                # Pages may be read in several runs: by its page a name is one of a kind.
                yield f"page-{page}/{file_name(file) or f'attachment-{number}'}", file


def _document_files(document: pypdfium2.PdfDocument) -> Iterator[raw.FPDF_ATTACHMENT]:
    for at in range(raw.FPDFDoc_GetAttachmentCount(document.raw)):
        if file := raw.FPDFDoc_GetAttachment(document.raw, at):
            yield file


def _address(file: raw.FPDF_ATTACHMENT) -> int | None:
    return ctypes.cast(file, ctypes.c_void_p).value


def _pieces(file: raw.FPDF_ATTACHMENT, most: int) -> Iterator[bytes]:
    """Unpack a file, and yield it; pdfium says how large it is once it has unpacked it."""
    size = ctypes.c_ulong()
    if not raw.FPDFAttachment_GetFile(file, None, 0, size):
        raise FileCorrupt("The attached file cannot be unpacked.")
    if size.value > most:
        raise ArchiveUnsafe(f"It unpacks to more than {MAX_RATIO} times its size.")
    buffer = ctypes.create_string_buffer(size.value)
    raw.FPDFAttachment_GetFile(file, buffer, size.value, size)
    content = memoryview(buffer)
    for at in range(0, len(content), PIECE_BYTES):
        yield content[at : at + PIECE_BYTES].tobytes()
