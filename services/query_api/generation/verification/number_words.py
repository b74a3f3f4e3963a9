"""English words for numbers, and words that make a number greater."""

import re
from collections.abc import Iterable, Iterator, Mapping

_ONES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NTH = """
third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
fifteenth sixteenth seventeenth eighteenth nineteenth
"""
MULTIPLIERS: Mapping[str, int] = {
    "hundred": 100,
    "thousand": 1000,
    "thousands": 1000,
    "tausend": 1000,
    "mille": 1000,
    **dict.fromkeys(("million", "millions", "mn", "mio", "millionen", "millones"), 10**6),
    **dict.fromkeys(("billion", "billions", "bn", "mrd", "milliarden", "milliards"), 10**9),
    **dict.fromkeys(("trillion", "trillions"), 10**12),
}
_SMALL: Mapping[str, int] = {
    **{word: value for value, word in enumerate(_ONES.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), 2)},
}
_ORDINAL: Mapping[str, int] = {
    **{word: value for value, word in enumerate(_NTH.split(), 3)},
    **{word[:-1] + "ieth": 10 * value for value, word in enumerate(_TENS.split(), 2)},
    "first": 1,
    "second": 2,
}
_GREAT = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
# So often said without counting anything that no passage is asked for them.
_IDLE = frozenset({"one", "first", "second", "zero"})


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_COUNT, _NTH_WORD = _either((*_SMALL, *_GREAT)), _either(_ORDINAL)
_BETWEEN = r"(?:[\s-]+|\s+and\s+)"
# An ordinal ends a number: of `the first thirty days` only the second word counts days.
_RUN = re.compile(
    rf"\b(?=[zotfsenhmb])(?:(?:{_COUNT})(?:{_BETWEEN}(?:{_COUNT}))*(?:-(?:{_NTH_WORD}))?|{_NTH_WORD})\b",
    re.IGNORECASE,
)
_PART = re.compile(rf"{_NTH_WORD}|{_COUNT}", re.IGNORECASE)

# None of them is a word of what a text is about: numbers are compared as numbers.
NUMBER_WORDS = frozenset({*_SMALL, *_ORDINAL, *MULTIPLIERS, *_GREAT})


def spelled(text: str) -> Iterator[tuple[int, int, int, bool]]:
    """Yield (start, end, value, idle) of each number that is written in words."""
    for found in _RUN.finditer(text):
        parts = [one.lower() for one in _PART.findall(found[0])]
        yield found.start(), found.end(), _value(parts), _IDLE.issuperset(parts)


def _value(parts: list[str]) -> int:
    total = part = 0
    for word in parts:
        if word not in _GREAT:
            part += _SMALL.get(word) or _ORDINAL.get(word, 0)
        elif word == "hundred":
            part = max(1, part) * 100
        else:
            total, part = total + max(1, part) * _GREAT[word], 0
    return total + part
