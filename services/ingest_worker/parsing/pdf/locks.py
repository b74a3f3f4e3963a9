"""The password of a PDF that is locked in part: its pages lie open, the files in it do not.

pdfium opens such a file without asking, for its pages need no key (ISO 32000-2, 7.6.6). So its lock
is put on an empty page, which pdfium does not open without.
"""

import math
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2  # type: ignore[import-untyped]
from pypdfium2 import raw

# A dictionary of encryption is a few hundred bytes; of those before it none are looked at.
MAX_DICTIONARY_BYTES = 16 * 1024
_IDENTITY = b"Identity"
_ENCRYPT = re.compile(rb"/Encrypt\s*(?:(\d+)\s+(\d+)\s+R\b|(?=<<))")
_FILE_ID = re.compile(rb"/ID\s*\[\s*(?=[(<])")
_TOKEN = re.compile(
    rb"[\s\x00]+|/(?P<name>[^\s()<>\[\]{}/%\x00]*)|(?P<open><<)|(?P<close>>>)"
    rb"|<(?P<hex>[0-9A-Fa-f\s]*)>|(?P<string>\()|(?P<word>[^\s()<>\[\]{}/%\x00]+)|(?P<other>[\[\]])"
)
_IN_STRING = re.compile(rb"\\(?:([0-7]{1,3})|\r\n|(.))|([()])|\r\n?", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"\n": b"", b"\r": b""}
# The first version with parts under locks of their own.
_PARTIAL = 4
# Of the users' and the owners' strings, by the revision of the lock.
_LEAST_BYTES = {4: 32, 5: 48, 6: 48}
_WORDS = (b"V", b"R", b"P", b"Length", b"EncryptMetadata")
_WORD = re.compile(rb"-?\w+")
_STRINGS = (b"O", b"U", b"OE", b"UE", b"Perms")
_PROBE = (
    b"%%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
    b"2 0 obj <</Type/Pages/Kids[]/Count 0>> endobj\n"
    b"3 0 obj <</Filter/Standard %s /CF<</StdCF %s>>/StmF/StdCF/StrF/StdCF>> endobj\n"
    b"trailer <</Root 1 0 R/Encrypt 3 0 R/ID[<%s><>]>>"
)


@dataclass(frozen=True, slots=True)
class Lock:
    """What a PDF's dictionary of encryption says; `file_id` is the first part of the PDF's.

    `entries` are its strings, names and numbers by key, as bytes.
    """

    entries: dict[bytes, bytes] = field(default_factory=dict)
    file_id: bytes = b""

    @property
    def is_partial(self) -> bool:
        """Say whether streams and strings lie open, so that no reader need ask for a password."""
        names = (self.entries.get(b"StmF", _IDENTITY), self.entries.get(b"StrF", _IDENTITY))
        return self._number(b"V") >= _PARTIAL and names == (_IDENTITY, _IDENTITY)

    @property
    def is_on_files(self) -> bool:
        """Say whether pages lie open and files are locked: pdfium does not decrypt those."""
        return self.is_partial and self.entries.get(b"EFF", _IDENTITY) != _IDENTITY

    def opens_with(self, password: str) -> bool:
        """Say whether this is a password of the file; also True where that cannot be told."""
        least = _LEAST_BYTES.get(self._number(b"R"), math.inf)
        if min(len(self.entries.get(key, b"")) for key in (b"U", b"O")) < least:
            return True
        try:
            pypdfium2.PdfDocument(self._locked_page(), password=password).close()
        except pypdfium2.PdfiumError as error:
            return bool(error.err_code != raw.FPDF_ERR_PASSWORD)
        return True

    def _locked_page(self) -> bytes:
        """Return a PDF of nothing under the same lock, all of it: there pdfium asks."""
        strong = self._number(b"V") > _PARTIAL
        words = ((key, self.entries.get(key, b"")) for key in _WORDS)
        strings = ((key, self.entries.get(key, b"")) for key in _STRINGS)
        lock = [b"/%s %s" % (key, value) for key, value in words if _WORD.fullmatch(value)]
        lock += [b"/%s <%s>" % (key, value.hex().encode()) for key, value in strings if value]
        crypt = b"<</CFM/AESV3/Length 32>>" if strong else b"<</CFM/AESV2/Length 16>>"
        return _PROBE % (b" ".join(lock), crypt, self.file_id.hex().encode())

    def _number(self, key: bytes) -> int:
        value = self.entries.get(key, b"0")
        return int(value) if re.fullmatch(rb"-?\d{1,10}", value) else 0


def read_lock(path: Path) -> Lock:
    """Return the lock of an encrypted PDF; one without entries where it is not found."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = _dictionary_at(content)
        found = _last(b"/ID", _FILE_ID, content)
        file_id = next(_tokens(content[found.end() :][:MAX_DICTIONARY_BYTES])) if found else None
        entries = {} if at is None else dict(_entries(content[at : at + MAX_DICTIONARY_BYTES]))
        return Lock(entries, file_id[1] if file_id else b"")


def _dictionary_at(content: mmap.mmap) -> int | None:
    """Return where the newest dictionary of encryption begins: in no stream, by the standard."""
    found = _last(b"/Encrypt", _ENCRYPT, content)
    if found is None or found[1] is None:
        return found.end() if found else None
    mark = b"%d %d obj" % (int(found[1]), int(found[2]))
    begin = _last(mark, re.compile(rb"(?<!\d)" + mark), content)
    return begin.end() if begin else None


def _last(mark: bytes, pattern: re.Pattern[bytes], content: mmap.mmap) -> re.Match[bytes] | None:
    """Return the last place that begins with a mark and is like the pattern; files are large."""
    at = content.rfind(mark)
    while at >= 0:
        if found := pattern.match(content, at):
            return found
        at = content.rfind(mark, 0, at)
    return None


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of the dictionary that `content` begins with, not of those in it."""
    depth, key = 0, None
    for kind, value in _tokens(content):
        depth += (kind == "open") - (kind == "close")
        if depth <= 0:
            return
        if depth > 1 or kind == "close":
            key = None
        elif key is not None and kind != "open":
            yield key, value
            key = None
        elif kind == "name":
            key = value


def _tokens(content: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while found := _TOKEN.match(content, at):
        kind, at = found.lastgroup, found.end()
        if kind == "string":
            value, at = _string(content, at)
            yield kind, value
        elif kind == "hex":
            digits = b"".join(found["hex"].split())
            yield kind, bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
        elif kind is not None:
            yield kind, found[kind]


def _string(content: bytes, at: int) -> tuple[bytes, int]:
    """Return a string's bytes, and where it ends; `at` is behind its opening parenthesis."""
    made, depth = b"", 1
    for found in _IN_STRING.finditer(content, at):
        made += content[at : found.start()]
        at = found.end()
        depth += {b"(": 1, b")": -1}.get(found[3], 0)
        if depth == 0:
            break
        made += _unescaped(found)
    return made, at


def _unescaped(found: re.Match[bytes]) -> bytes:
    octal, escaped, plain = found.groups()
    if octal:
        return bytes((int(octal, 8) % 256,))
    if escaped:
        return _ESCAPES.get(escaped, escaped)
    if plain:
        return bytes(plain)
    # A line's end in a string is one character, whatever it is made of; after a backslash none.
    return b"" if found[0].startswith(b"\\") else b"\n"
