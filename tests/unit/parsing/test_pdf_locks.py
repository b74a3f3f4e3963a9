"""PDFs with a password: a page that lies open is no proof that the file does."""

import re
from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.enums import EncryptionMethod

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.pdf.locks import read_lock
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileEncrypted
from shared.models import JobWarning
from tests.support.attached import partly_locked

HIDDEN = {"secret.txt": b"Nobody may read this."}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, password: str | None = None) -> list[str]:
    parsed = Parsers().parse(Source(path, "a.pdf", password=password), None)
    return [one.text for one in parsed.elements]


@pytest.mark.parametrize("strong", [True, False])
@pytest.mark.parametrize("given", [None, "other", "Secret"])
def test_a_cover_page_around_locked_files_is_not_read(
    path: Path, given: str | None, *, strong: bool
) -> None:
    path.write_bytes(partly_locked("secret", strong=strong, attached=HIDDEN))
    source = Source(path, "a.pdf", password=given)
    with pytest.raises(FileEncrypted):
        Parsers().plan(source)
    with pytest.raises(FileEncrypted):
        Parsers().parse(source, None)
    with pytest.raises(FileEncrypted):
        list(Parsers().unpack(source))


@pytest.mark.parametrize("strong", [True, False])
@pytest.mark.parametrize("given", ["secret", "owner"])
def test_with_a_password_the_pages_are_read_and_the_files_told(
    path: Path, given: str, *, strong: bool
) -> None:
    path.write_bytes(partly_locked("secret", strong=strong, attached=HIDDEN))
    assert read(path, given) == ["A cover page for all.", "Attachments: secret.txt"]
    (told,) = Parsers().unpack(Source(path, "a.pdf", password=given))
    assert isinstance(told, JobWarning)
    assert told.code == "attachment_skipped"
    assert told.detail.startswith("secret.txt is left out")


@pytest.mark.parametrize("strong", [True, False])
@pytest.mark.parametrize("given", [None, "of something else"])
def test_what_opens_without_a_password_is_read(
    path: Path, given: str | None, *, strong: bool
) -> None:
    path.write_bytes(partly_locked("", strong=strong))
    assert read(path, given) == ["A cover page for all."]


@pytest.mark.parametrize("method", EncryptionMethod)
@pytest.mark.parametrize("user", ["", "secret", "pässword"])
def test_passwords_are_told_from_others(path: Path, method: EncryptionMethod, user: str) -> None:
    document = FPDF()
    document.set_encryption("owner", user, encryption_method=method)
    document.add_page()
    document.output(str(path))
    lock = read_lock(path)
    assert lock.is_partial == (method is EncryptionMethod.NO_ENCRYPTION)
    if method is not EncryptionMethod.RC4:  # Which never needs us: pdfium asks.
        told = [lock.opens_with(word) for word in (user, "owner", "another", user + "x")]
        assert told == [True, True, False, False]


@pytest.mark.parametrize("method", [EncryptionMethod.AES_128, EncryptionMethod.AES_256])
def test_the_lock_may_be_written_in_other_ways(path: Path, method: EncryptionMethod) -> None:
    document = FPDF()
    document.set_encryption("owner", "secret", encryption_method=method)
    document.add_page()
    content = bytes(document.output())
    path.write_bytes(content)
    entries = read_lock(path).entries
    for key in (b"U", b"O"):
        # As text in parentheses, its special bytes escaped in all the ways there are.
        text = entries[key].replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\051")
        text = text.replace(b"\r", b"\\r").replace(b"\n", b"\\n")
        written = b"/%s <%s>" % (key, entries[key].hex().upper().encode())
        assert written in content
        content = content.replace(written, b"/%s(%s\\\n)" % (key, text))
    (number,) = re.findall(rb"/Encrypt (\d+ 0) R", content)
    lock_at = content.index(number + b" obj") + len(number + b" obj")
    lock = content[lock_at : content.index(b"endobj", lock_at)]
    inline = content.replace(b"/Encrypt " + number + b" R", b"/Encrypt" + lock)
    for other in (content, inline):
        path.write_bytes(other)
        found = read_lock(path)
        assert found.entries == entries
        assert (found.opens_with("secret"), found.opens_with("no")) == (True, False)


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\nno dictionary of any kind",
        b"%PDF-1.7\ntrailer << /Encrypt 8 0 R >>",
        b"%PDF-1.7\ntrailer << /Encrypt 8 0 R /ID [] >> 8 0 obj << /V",
        b"%PDF-1.7\ntrailer << /Encrypt << /V 5 /R 6 /U (short) /O (((",
        b"%PDF-1.7\ntrailer << /Encrypt << /V x /R 99999999999999 /U <zz> >>",
    ],
)
def test_what_cannot_be_told_locks_nothing(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert read_lock(path).opens_with("any")
