"""Bytes to text: byte order marks, declarations, UTF-8, and a guess with a warning at last."""

import codecs
import re
from dataclasses import dataclass, replace
from pathlib import Path

from charset_normalizer import CharsetMatch, from_bytes

from services.ingest_worker.parsing.scrub import scrub
from shared.errors import TypeUnsupported
from shared.models import JobWarning

# UTF-32's mark begins with UTF-16's, so it is tried first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE_BYTES = 32 * 1024
# One broken character in a hundred is damage in UTF-8; more is another encoding.
DAMAGE = 0.01
# ISO-2022's switches to double bytes, and HZ's: pure ASCII underneath.
ESCAPED: tuple[str, ...] = ("iso2022_jp", "iso2022_kr", "hz")
_ESCAPED = re.compile(rb"\x1b\$|~\{")
# Text in any 8-bit encoding holds hardly any of these; compressed or compiled bytes are full of
# them. Escape stays out: ISO-2022 is written with it.
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
CONTROL_SHARE = 0.02
_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']"""
    rb"""|<meta[^>]{0,400}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text without its byte order mark, the encoding it was in, and what to tell about it."""

    text: str
    encoding: str
    warnings: list[JobWarning]


def decode(content: bytes) -> Decoded:
    """Return the text of `content`.

    A byte order mark wins, then what can only be one encoding (ISO-2022, UTF-8), then what markup
    says of itself.

    Raises:
        TypeUnsupported: these bytes are no text in any encoding we know.
    """
    encoding = _marked(content) or _wide(content) or _strict(content) or _declaration(content)
    if encoding is None:
        return _guess(content)
    return Decoded(content.decode(encoding, "replace"), encoding, [])


def decode_file(path: Path) -> Decoded:
    """Return a file's text, scrubbed; raises what `decode` does."""
    decoded = decode(path.read_bytes())
    return replace(decoded, text=scrub(decoded.text))


def is_text(head: bytes) -> bool:
    """Tell whether the first bytes of a file are text in some encoding."""
    if _marked(head) or _wide(head):
        return True
    return len(_CONTROLS.findall(head)) <= len(head) * CONTROL_SHARE and b"\0" not in head[:512]


def _marked(content: bytes) -> str | None:
    return next((name for mark, name in MARKS if content.startswith(mark)), None)


def _wide(content: bytes) -> str | None:
    """Recognise UTF-16 without its mark: in Latin text every second byte is zero."""
    sample = content[: SAMPLE_BYTES & ~1]
    half = len(sample) // 2
    if half < 2 or b"\0" not in sample:  # noqa: PLR2004 - one character is no pattern
        return None
    even, odd = sample[::2].count(0) / half, sample[1::2].count(0) / half
    # Three of four: digits, spaces and markup alone make that much in most scripts.
    for encoding, zero, other in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zero > 0.3 and other < 0.02 and _decodes(sample, encoding):  # noqa: PLR2004 - measured
            return encoding
    return None


def _decodes(sample: bytes, encoding: str) -> bool:
    text = sample[: len(sample) & ~3].decode(encoding, "replace")
    return text.count("\ufffd") + text.count("\0") <= len(text) * DAMAGE


def _strict(content: bytes) -> str | None:
    """Return the encoding that these bytes fit as they fit no other."""
    escaped = _ESCAPED.search(content[:SAMPLE_BYTES]) is not None
    for name in (*(ESCAPED if escaped else ()), "utf-8"):
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return None


def _declaration(content: bytes) -> str | None:
    """Return the encoding that markup names in its first 2,048 bytes, if Python knows it."""
    found = _DECLARED.search(content[:2048]) if content[:64].lstrip().startswith(b"<") else None
    if not found:
        return None
    name = (found[1] or found[2]).decode("ascii", "replace").lower()
    # Whoever can read the declaration byte by byte is not looking at UTF-16, whatever it says;
    # and Python knows "encodings" no document is in (punycode takes quadratic time).
    if not name.startswith(_DECLARABLE):
        return None
    try:
        return codecs.lookup(_ALIASES.get(name, name)).name
    except LookupError:
        return None


_DECLARABLE = (
    *("iso", "windows", "cp", "ibm", "koi8", "mac", "x-mac", "latin", "us-ascii", "tis"),
    *("big5", "gb", "hz", "euc", "shift", "x-sjis", "ks_c", "johab"),
)
# What browsers read under these names (encoding.spec.whatwg.org, section 4.2).
_ALIASES = {
    "iso-8859-1": "windows-1252",
    "latin1": "windows-1252",
    "us-ascii": "windows-1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
}


def _guess(content: bytes) -> Decoded:
    text = content.decode(errors="replace")
    if text.count("\ufffd") <= len(text) * DAMAGE:
        return Decoded(text, "utf-8", [_warning("UTF-8 with damaged characters")])
    matches = list(from_bytes(_sample(content)))
    if not matches:
        raise TypeUnsupported("The file is no text in any known encoding.")
    best = min(matches, key=_order)
    return Decoded(
        content.decode(best.encoding, "replace"), best.encoding, [_warning(best.encoding)]
    )


def _order(match: CharsetMatch) -> tuple[float, float, bool]:
    """Sort guesses: least mess, most like a language; between equals the most used encoding."""
    return match.percent_chaos, -match.percent_coherence, match.encoding != "cp1252"


def _sample(content: bytes) -> bytes:
    """Return a piece for the guess that ends at a line's end, so that no character is cut."""
    sample = content[:SAMPLE_BYTES]
    end = sample.rfind(b"\n") + 1
    return sample[:end] if len(content) > SAMPLE_BYTES and end else sample


def _warning(encoding: str) -> JobWarning:
    detail = f"The encoding is not stated; the text was read as {scrub(encoding)}."
    return JobWarning(code="encoding_guessed", detail=detail)
