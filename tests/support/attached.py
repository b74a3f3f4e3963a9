"""PDF files with files in them, and some whose pages lie open while the rest is locked."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import EncryptionMethod

_LOCK = re.compile(rb"<<\n/CF .*?\n/V \d\n>>", re.DOTALL)


def pdf_with_files(
    pages: list[str],
    attached: Mapping[str, bytes],
    *,
    pinned: Mapping[str, int] | None = None,
    title: str = "",
) -> bytes:
    """Return a PDF of some pages of text with files attached to it.

    Each file in `pinned` is also pinned to a page (from 1) and holds that page's number.
    """
    document = FPDF()
    document.set_font("helvetica", size=12)
    if title:
        document.set_title(title)
    for name, content in attached.items():
        document.embed_file(bytes=content, basename=name, compress=True)
    for number, text in enumerate(pages, start=1):
        document.add_page()
        document.text(20, 20, text)
        for name in (name for name, page in (pinned or {}).items() if page == number):
            _pin(document, name, b"Pinned to page %d." % number)
    return bytes(document.output())


def only_pinned(content: bytes) -> bytes:
    """Return a PDF without its list of files: those that are pinned to pages stay."""
    return content.replace(b"/EmbeddedFiles ", b"/ForgottenFiles")


def partly_locked(user: str, *, strong: bool, attached: Mapping[str, bytes] | None = None) -> bytes:
    """Return a PDF whose page anybody can read, while its files are said to be locked.

    Args:
        user: the password of the user; the owner's is "owner".
        strong: whether the lock is that of PDF 2.0 (SHA-2, AES-256), else that of PDF 1.5.
        attached: files that are attached to it.
    """
    document = _locked(user, EncryptionMethod.NO_ENCRYPTION)
    for name, content in (attached or {}).items():
        document.embed_file(bytes=content, basename=name)
    content = bytes(document.output())
    method = EncryptionMethod.AES_256 if strong else EncryptionMethod.AES_128
    lock = _LOCK.search(bytes(_locked(user, method).output()))
    if lock is None:
        raise ValueError("the lock has another form")
    partial = re.sub(rb"/St(m|r)F /StdCF", rb"/St\1F /Identity", lock[0])
    # What comes behind it is found anew by whoever reads it.
    partial = partial.replace(b"/CF ", b"/EFF /StdCF /CF ", 1)
    return _LOCK.sub(lambda _: partial, content)


def _locked(user: str, method: EncryptionMethod) -> FPDF:
    document = FPDF()
    document.set_encryption("owner", user, encryption_method=method)
    document.set_font("helvetica", size=12)
    document.add_page()
    document.text(20, 20, "A cover page for all.")
    return document


def _pin(document: FPDF, name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        document.file_attachment_annotation(path, 30, 30)
