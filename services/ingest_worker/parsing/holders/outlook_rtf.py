"""Outlook's rich text bodies: unpacked (MS-OXRTFCP), and the page out of them (MS-OXRTFEX)."""

import struct

from typing_extensions import override

from services.ingest_worker.parsing.office.rtf import RtfReader
from services.ingest_worker.parsing.office.rtf_tokens import Token, tokens
from shared.errors import FileTooLarge

# A body with pictures in it has a few; the text of a book is one.
MAX_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct("<IIII")
_PACKED, _PLAIN = 0x75465A4C, 0x414C454D
# What every message's writer and reader know before it begins.
_KNOWN_TEXT = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_LEAST = 2
# The mark stands in front of the text: behind the header and before the fonts.
_MARK, _MARK_BYTES = b"\\fromhtml1", 1024
# Of the controls outside of tags these say what characters are meant, or what is no text.
_KEPT = frozenset(
    (
        *("u", "uc", "f", "fcharset", "cpg", "ansicpg", "deff", "plain", "fonttbl", "stylesheet"),
        *("tab", "emdash", "endash", "emspace", "enspace", "bullet"),
        *("lquote", "rquote", "ldblquote", "rdblquote", "colortbl", "info", "pict"),
    )
)


def unpacked_rtf(packed: bytes) -> bytes:
    """Return a body's rich text; of one that is damaged, what comes before the damage.

    Raises:
        FileTooLarge: it unpacks to more than `MAX_BYTES`.
    """
    if len(packed) < _HEADER.size:
        return b""
    size, raw_size, kind, _ = _HEADER.unpack_from(packed)
    # The first size counts what is behind itself.
    content = packed[_HEADER.size : size + 4]
    if kind == _PLAIN:
        return content[:raw_size]
    return _unpacked(content)[:raw_size] if kind == _PACKED else b""


def _unpacked(content: bytes) -> bytes:
    """Undo the packing: runs of eight letters or places in the text before, told by a byte."""
    made = bytearray(_KNOWN_TEXT)
    at, end = 0, len(content)
    while at < end:
        flags, at = content[at], at + 1
        for bit in range(8):
            if at >= end:
                break
            if not flags >> bit & 1:
                made.append(content[at])
                at += 1
                continue
            token, at = content[at : at + 2], at + 2
            if not _repeat(made, token):
                return bytes(made[len(_KNOWN_TEXT) :])
    return bytes(made[len(_KNOWN_TEXT) :])


def _repeat(made: bytearray, token: bytes) -> bool:
    """Repeat what stood at a place of the window; False where nothing can: at the end."""
    place, length = divmod(int.from_bytes(token, "big"), 16)
    back = (len(made) - place) % _WINDOW
    if len(token) < 2 or back == 0 or back > len(made):  # noqa: PLR2004 - bytes of a token
        return False
    if len(made) > MAX_BYTES:
        raise FileTooLarge("The text of the message takes more than is allowed.")
    for _ in range(length + _LEAST):
        made.append(made[-back])
    return True


def holds_page(rich: bytes) -> bool:
    """Say whether rich text is the wrapping of a page (HTML)."""
    return _MARK in rich[:_MARK_BYTES]


def page_of(rich: bytes) -> str:
    """Return the page that rich text wraps."""
    reader = _PageReader()
    for token in tokens(rich):
        reader.take(token)
    return reader.page()


class _PageReader(RtfReader):
    """Takes tags and text as they are, and leaves out what is for readers of rich text only."""

    @override
    def _word(self, token: Token, *, starred: bool) -> None:
        word = token.kind
        if word == "htmlrtf":
            self._group.rich = token.value != 0
        elif word in {"par", "line"}:
            self._put("\n")
        elif word != "htmltag" and (starred or word in _KEPT):
            super()._word(token, starred=starred)

    @override
    def _put(self, text: str) -> None:
        if not self._group.rich:
            super()._put(text)

    def page(self) -> str:
        """Return what came, as one text."""
        self._flush()
        while self._above:
            self._close()
        return "".join(self._body.text)
