"""Whether something stands in a text where a claim says: near the words the claim has it near.

A passage often holds several numbers and names. One that is there but elsewhere, while another
stands where the claim has it, was put in the other's place.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.query_api.generation.verification.numbers import Number
from services.query_api.generation.verification.readings import Reading, Word

# Words farther from it than this say nothing of its place.
_REACH = 6
# Of words that stand on its other side in the claim.
_OTHER_SIDE = 0.5


@dataclass(frozen=True, slots=True)
class Spot:
    """A run of words of a text, by the places of its first and last one."""

    reading: Reading
    first: int
    last: int

    @classmethod
    def of_span(cls, reading: Reading, start: int, end: int) -> "Spot":
        """Return the words between two characters."""
        starts = [word.start for word in reading.words]
        first = max(0, bisect_right(starts, start) - 1)
        return cls(reading, first, max(first, bisect_left(starts, end) - 1))

    @classmethod
    def of_name(cls, reading: Reading, place: int) -> "Spot":
        """Return the capital words that one stands among."""
        words, first, last = reading.words, place, place
        if words[place].text[0].isupper():
            while first > 0 and _is_next(words[first - 1], words[first]):
                first -= 1
            while last + 1 < len(words) and _is_next(words[last], words[last + 1]):
                last += 1
        return cls(reading, first, last)

    @property
    def beside(self) -> Iterator[tuple[int, Word]]:
        """The words around it that say something, with how far they stand: -1 is the one before."""
        words = self.reading.words
        for place in range(max(0, self.first - _REACH), self.first):
            if not words[place].idle:
                yield place - self.first, words[place]
        for place in range(self.last + 1, min(len(words), self.last + _REACH + 1)):
            if not words[place].idle:
                yield place - self.last, words[place]


def nearness(claim: Spot, source: Spot) -> float:
    """Return how alike the words around two spots are, the nearest counting most."""
    there: dict[str, int] = {}
    for far, word in source.beside:
        if word.key not in there or abs(far) < abs(there[word.key]):
            there[word.key] = far
    return sum(_weight(far, there[word.key]) for far, word in claim.beside if word.key in there)


def nearest(claim: Spot, found: Iterable[Spot]) -> float:
    """Return the best nearness of some spots, 0 if there are none."""
    return max((nearness(claim, source) for source in found), default=0.0)


def numbers_in(reading: Reading, places: range) -> list[Number]:
    """Return the numbers that stand among some of a text's words."""
    if not reading.numbers:
        return []
    first, last = reading.words[places[0]], reading.words[places[-1]]
    end = last.start + len(last.text)
    return [one for one in reading.numbers if first.start <= one.start and one.end <= end]


def _is_next(word: Word, after: Word) -> bool:
    both = word.text[0].isupper() and after.text[0].isupper()
    return both and after.start - word.start - len(word.text) == 1


def _weight(said: int, stands: int) -> float:
    side = 1.0 if (said > 0) == (stands > 0) else _OTHER_SIDE
    return side / (abs(said) + abs(stands))
