"""Rich text cut into tokens, and its bytes into characters by font and code page.

The format is Microsoft's Rich Text Format specification 1.9.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKENS = re.compile(
    rb"(?P<text>[^\\{}\r\n\x00]+)|\\'(?P<byte>[0-9a-fA-F]{2})"
    rb"|\\(?P<word>[a-zA-Z]{1,32})(?P<value>-?\d{1,10})? ?|(?P<brace>[{}])|\\(?P<sign>[^a-zA-Z])"
    rb"|[\r\n\x00]+|\\",
    re.DOTALL,
)
# A font's character set and the code page it stands for (specification, "Character Set").
_CHARSETS = {
    0: 1252,
    77: 10000,
    128: 932,
    129: 949,
    130: 1361,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
    255: 437,
}
_NAMED = {10000: "mac_roman", 936: "gb18030", 1361: "johab", 65001: "utf-8"}
DEFAULT_PAGE = 1252


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the file: `kind` is open, close, text (its bytes), sign, or a control's word.

    `value` is the number behind a word, None without one.
    """

    kind: str
    value: int | None = None
    content: bytes = b""


OPEN, CLOSE = Token("{"), Token("}")


def tokens(content: bytes) -> Iterator[Token]:
    """Yield the tokens of a file; binary data inside it is stepped over."""
    at = 0
    while found := _TOKENS.match(content, at):
        at = found.end()
        kind = found.lastgroup
        if kind in {"word", "value"}:
            word = found["word"].decode("ascii")
            value = int(found["value"]) if found["value"] else None
            at += max(value or 0, 0) if word == "bin" else 0
            yield Token(word, value)
        elif kind == "brace":
            yield OPEN if found[0] == b"{" else CLOSE
        elif kind == "byte":
            yield Token("byte", content=bytes.fromhex(found["byte"].decode("ascii")))
        elif kind is not None:
            yield Token(kind, content=found[kind])


def code_page(charset: int) -> int | None:
    """Return the code page of a font's character set; None where the file's own holds."""
    return _CHARSETS.get(charset)


def decoded(content: bytes, page: int) -> str:
    """Return the text of bytes in a code page, in the usual one if that is not known."""
    try:
        return content.decode(_NAMED.get(page, f"cp{page}"), "replace")
    except LookupError:
        return content.decode(f"cp{DEFAULT_PAGE}", "replace")
