"""A model's text as it comes, cut into whole sentences with their markers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.query_api.generation.markers import Mark, MarkerReader
from services.query_api.generation.sentences import spans

# A text without any stop is cut here, so that neither memory nor the reader waits for ever.
MAX_SENTENCE_CHARS = 2000
# Behind a marker a stop is the end: no abbreviation has its source before its full stop.
_STOP_AFTER_MARK = re.compile(r"[.!?\u3002\uff01\uff1f]+[\"'\u201d\u2019)]*")


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of a model without its markers, and the white space before it.

    The places of its `marks` count from its first character.
    """

    lead: str
    text: str
    marks: Sequence[Mark]

    @property
    def numbers(self) -> list[int]:
        """The passages that it says it rests on, each once."""
        return list(dict.fromkeys(number for mark in self.marks for number in mark.numbers))


class Draft:
    """Takes text in pieces, gives sentences; each as soon as it is certain to have ended.

    That is with the first letter of the next one, or with the stop behind a marker (`[1].`).
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._reader = MarkerReader()
        self._text = ""
        self._marks: list[Mark] = []

    def add(self, piece: str) -> list[Said]:
        """Return the sentences that this piece ends."""
        self._take(*self._reader.read(piece))
        return list(self._ended())

    def end(self) -> list[Said]:
        """Return what is left, at the end."""
        self._take(*self._reader.rest())
        return [*self._ended(), *self._cut_at(len(self._text))]

    def _take(self, text: str, marks: Sequence[Mark]) -> None:
        self._marks += [replace(mark, at=mark.at + len(self._text)) for mark in marks]
        self._text += text

    def _ended(self) -> Iterator[Said]:
        while (end := self._first_end()) is not None:
            yield from self._cut_at(end)

    def _first_end(self) -> int | None:
        found = list(spans(self._text))
        if len(found) > 1:
            return found[0][1]
        if self._stops_after_mark() or len(self._text) > MAX_SENTENCE_CHARS:
            return len(self._text)
        return None

    def _stops_after_mark(self) -> bool:
        if not self._marks:
            return False
        return _STOP_AFTER_MARK.fullmatch(self._text, self._marks[-1].at) is not None

    def _cut_at(self, end: int) -> list[Said]:
        text, self._text = self._text[:end], self._text[end:]
        lead = len(text) - len(text.lstrip())
        marks = [mark for mark in self._marks if mark.at <= end]
        self._marks = [replace(mark, at=mark.at - end) for mark in self._marks if mark.at > end]
        if not text.strip():
            return []
        own = [replace(mark, at=max(0, mark.at - lead)) for mark in marks]
        return [Said(text[:lead], text[lead:], own)]
