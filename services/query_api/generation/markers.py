"""The markers a model writes (`[1]`, `[2, 3]`): found as its text comes, and what they mean."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# White space that stays on its line: a bracket left open there is no marker.
_GAP = r"[^\S\n]*"
_NUMBERS = rf"\d{{1,4}}(?:{_GAP}(?:[,;]|-|\u2013){_GAP}\d{{1,4}})*"
_ONE = (
    rf"(?:\[{_GAP}(?:(?i:passages?|sources?){_GAP})?{_NUMBERS}{_GAP}\]"
    r"|【[^】\n]*】|\[Source:[^\]\n]*\])"
)
_RUN = re.compile(rf"(?P<blank>\s*)(?P<markers>{_ONE}(?:\s*{_ONE})*)")
_MARKER = re.compile(_ONE)
_NUMBER = re.compile(r"(\d{1,4})(?:\s*[-\u2013]\s*(\d{1,4}))?")
_MAX_RANGE = 20
# What may yet become a marker, or stands before one.
_UNDECIDED = re.compile(r"\s*(?:\[[^\]\n]{0,300}|【[^】\n]{0,300})?\Z")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text without its markers, and the numbers that the markers there name.

    A number may be that of no passage: the model invented it.
    """

    at: int
    blank: str
    numbers: Sequence[int]


class MarkerReader:
    """Parts a text that comes in pieces into words and marks.

    A model that writes sources by itself (`[Source: …]`) was shown none: they name nothing.

    >>> reader = MarkerReader()
    >>> reader.read("So it is [9"), reader.read("]."), reader.rest()
    (('So it is', []), ('.', [Mark(at=0, blank=' ', numbers=[9])]), ('', []))
    """

    def __init__(self) -> None:
        """Begin with nothing held."""
        self._held = ""

    def read(self, piece: str) -> tuple[str, list[Mark]]:
        """Return the words that are certain now, and the marks in them; the rest is held."""
        text = self._held + piece
        found = _UNDECIDED.search(text)
        certain = found.start() if found else len(text)
        self._held = text[certain:]
        return _parted(text[:certain])

    def rest(self) -> tuple[str, list[Mark]]:
        """Return what was held, at the end."""
        text, self._held = self._held, ""
        return _parted(text)


def _parted(text: str) -> tuple[str, list[Mark]]:
    pieces: list[str] = []
    marks: list[Mark] = []
    length = at = 0
    for run in _RUN.finditer(text):
        pieces.append(text[at : run.start()])
        length += len(pieces[-1])
        at = run.end()
        marks.append(Mark(length, run["blank"], _named_by(run["markers"])))
    return "".join([*pieces, text[at:]]), marks


def _named_by(markers: str) -> list[int]:
    shown = (one for one in _MARKER.findall(markers) if not one.startswith("[Source:"))
    return list(dict.fromkeys(number for one in shown for number in _numbers(one)))


def _numbers(marker: str) -> Iterator[int]:
    for first, last in _NUMBER.findall(marker):
        end = min(int(last or first), int(first) + _MAX_RANGE)
        yield from range(int(first), end + 1)
