"""Where sentences begin and end, as spans, so that a quote is the stored text to the letter."""

import re
from collections.abc import Iterator

# A full stop ends no sentence after these, nor after a single letter ("J. Smith", "U.S. law").
_ABBREVIATIONS = frozenset(
    {"al", "approx", "art", "ca", "cf", "ch", "dept", "dr", "ed", "e.g", "eq", "etc", "fig", "i.e"}
    | {"inc", "jr", "ltd", "mr", "mrs", "ms", "nr", "no", "p", "para", "pp", "prof", "sec", "sr"}
    | {"st", "vol", "vs"}
)
# The end of a sentence, a blank line, or a line that begins anew (a bullet, a table row, a title).
_BREAK = re.compile(
    r"(?P<stop>[.!?]+[\"'\u201d\u2019)\]]*)(?=\s+[\"'\u201c\u2018(\[]*[^\Wa-z_])"
    r"|(?P<wide>[\u3002\uff01\uff1f]+)"
    r"|\s*\n\s*\n\s*"
    r"|\n(?![a-z])"
)
_LAST_WORD = re.compile(r"([^\s(\[\"'\u201c\u2018]+)\.$")


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of each sentence, without the white space around it."""
    start = 0
    for found in _BREAK.finditer(text):
        if found["stop"] and _is_abbreviation(text[start : found.end()]):
            continue
        yield from _trimmed(text, start, found.end())
        start = found.end()
    yield from _trimmed(text, start, len(text))


def _is_abbreviation(before: str) -> bool:
    found = _LAST_WORD.search(before)
    if found is None:
        return False
    word = found[1].lower()
    return (len(word) == 1 and word.isalpha()) or word in _ABBREVIATIONS


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    inside = text[start:end]
    left = len(inside) - len(inside.lstrip())
    stripped = inside.strip()
    if stripped:
        yield start + left, start + left + len(stripped)
