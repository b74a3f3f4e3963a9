"""Whether something stands in a text where a claim says: near the words the claim has it near.

A passage often holds several numbers and names. One that is there but elsewhere, while another
stands where the claim has it, was put in the other's place.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from services.query_api.generation.verification.readings import Reading, Word

# Words farther from it than this say nothing of its place.
_REACH = 6
# Of words that stand on its other side in the claim.
_OTHER_SIDE = 0.5


def place_at(reading: Reading, offset: int) -> int:
    """Return which word of a text stands at a character."""
    return max(0, bisect_right([word.start for word in reading.words], offset) - 1)


def nearness(claim: Reading, at: int, source: Reading, to: int) -> float:
    """Return how alike the words around two places are, the nearest counting most.

    The other words of the same name are no context.
    """
    there = _places(source, to)
    return sum(
        _weight(place - at, there[word.key])
        for place, word in _beside(claim.words, at)
        if word.key in there
    )


def nearest(claim: Reading, at: int, found: Iterable[tuple[Reading, int]]) -> float:
    """Return the best nearness of some places."""
    return max((nearness(claim, at, source, to) for source, to in found), default=0.0)


def _beside(words: Sequence[Word], at: int) -> Iterable[tuple[int, Word]]:
    first, last = _run_around(words, at)
    for place in range(max(0, at - _REACH), min(len(words), at + _REACH + 1)):
        if not first <= place <= last and not words[place].idle:
            yield place, words[place]


def _run_around(words: Sequence[Word], at: int) -> tuple[int, int]:
    """Return the first and the last of the capital words that a word stands among."""
    first = last = at
    if words[at].text[0].isupper():
        while first > 0 and _is_next(words[first - 1], words[first]):
            first -= 1
        while last + 1 < len(words) and _is_next(words[last], words[last + 1]):
            last += 1
    return first, last


def _is_next(word: Word, after: Word) -> bool:
    both = word.text[0].isupper() and after.text[0].isupper()
    return both and after.start - word.start - len(word.text) == 1


def _places(source: Reading, to: int) -> dict[str, int]:
    """Return for each term how far it stands from a place, where it is nearest."""
    found: dict[str, int] = {}
    for place, word in _beside(source.words, to):
        far = place - to
        if word.key not in found or abs(far) < abs(found[word.key]):
            found[word.key] = far
    return found


def _weight(said: int, stands: int) -> float:
    side = 1.0 if (said > 0) == (stands > 0) else _OTHER_SIDE
    return side / (abs(said) + abs(stands))
