"""A text's words and identifiers, before anything is known of languages.

Scripts that are written without blanks give pairs of neighbouring characters, as Lucene's
CJKAnalyzer does; Korean too, whose words carry their particles.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import pairwise

# Thai, Lao, Burmese, Hangul, Khmer, Kana, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")

# Vowel signs of Indic scripts and Thai are no letters to Python, but part of the word.
_MARKS = "".join(
    chr(point) for point in range(0x300, 0x10000) if unicodedata.category(chr(point))[0] == "M"
)
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# Codes, versions, paths, addresses, decimals: `INV-2024-7`, `v1.2.3`, `max_retries`, `1,000`.
# From a word's first letter only, and never giving letters back: else each letter is tried anew.
_WHOLE = re.compile(
    r"(?<![^\W_])(?:[^\W_]++(?:(?:[-./_:@+]++|(?<=\d),(?=\d))[^\W_]++)++|[a-z](?:\+\+|#))"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_SEPARATORS = re.compile(r"[-./_:@+,]+")
# Of a code that a question writes with blanks, at most so many parts are put together.
_MOST_PARTS = 5


def _left_out() -> Iterator[int]:
    """Yield the vowel points of Arabic and Hebrew and the Arabic stroke that widens a word."""
    yield from range(0x0591, 0x05BE)
    yield from (0x05BF, 0x05C1, 0x05C2, 0x05C4, 0x05C5, 0x05C7, 0x0640, 0x0670)
    yield from range(0x0610, 0x061B)
    yield from range(0x064B, 0x0660)


def _written_alike() -> Mapping[int, str | None]:
    """Return what each character becomes: no vowel points, no Greek accents, plain digits.

    Of German's sharp s and Russian's io too, both ways of writing are usual.
    """
    table: dict[int, str | None] = dict.fromkeys(_left_out()) | {0xDF: "ss", 0x0451: "\u0435"}
    for point in range(0x0370, 0x0400):
        table[point] = unicodedata.normalize("NFD", chr(point))[0]
    for zero in (0x0660, 0x06F0, 0x0966):
        table |= {zero + digit: str(digit) for digit in range(10)}
    return table


_WRITTEN_ALIKE = _written_alike()


def plain(text: str) -> str:
    """Return a text in lower case and in one form of each character.

    NFKC, because PDFs are full of ligatures and wide forms; vowel points of Arabic and Hebrew and
    Greek accents are left out.
    """
    lowered = unicodedata.normalize("NFKC", text).lower()
    if lowered.isascii():
        return lowered
    # A Turkish capital with its dot becomes two characters in lower case.
    return lowered.replace("i\u0307", "i").translate(_WRITTEN_ALIKE)


def words_of(text: str) -> list[str]:
    """Return the words of a plain text in order; pairs of characters where no blanks are."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    words = _WORD.findall(text)
    if not _IS_UNSPACED.search(text):
        return words
    return [piece for word in words for piece in _pieces(word)]


def has_unspaced(text: str) -> bool:
    """Tell whether some of a text is in a script that is written without blanks."""
    return _IS_UNSPACED.search(text) is not None


def wholes_of(text: str) -> list[str]:
    """Return the identifiers of a plain text in order, with `-` for whatever joins their parts."""
    return [_whole(found) for found in _WHOLE.findall(text) if _is_identifier(found)]


def joined_of(text: str) -> Iterator[str]:
    """Yield identifiers that a plain question writes with blanks: `inv 2024 7` is `inv-2024-7`.

    The first part is any word, the others have digits; each beginning of it is one too.
    """
    parts = ["-".join(words_of(one)) for one in text.split()]
    for first in range(len(parts)):
        for end in range(first + 1, min(first + _MOST_PARTS, len(parts))):
            if not _has_digit(parts[end]):
                break
            yield "-".join(parts[first : end + 1])


def _pieces(word: str) -> Iterator[str]:
    for run in _RUN.findall(word):
        if len(run) == 1 or not _IS_UNSPACED.match(run):
            yield run
        else:
            yield from map("".join, pairwise(run))


def _is_identifier(found: str) -> bool:
    """Tell a code from words that a hyphen or a missing blank joins."""
    return any(character.isdigit() or character in "_@/:.+#" for character in found)


def _whole(found: str) -> str:
    if found[-1] in "+#":
        return found
    return found.replace(",", "") if _THOUSANDS.fullmatch(found) else _SEPARATORS.sub("-", found)


def _has_digit(word: str) -> bool:
    return any(character.isdigit() for character in word)
