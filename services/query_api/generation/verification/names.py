"""The names of a text: who and what it speaks of, told by capitals; identifiers and addresses.

German and headings have capitals everywhere, so capitals tell nothing there: only identifiers are
names then, and nouns are words.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from services.query_api.generation.verification.numbers import MONTHS
from services.query_api.generation.verification.readings import (
    Reading,
    Word,
    alike,
    is_listed_with,
    is_number,
)
from shared.embeddings.languages import stop_words

# A text with more capitals than these says nothing by them, if it has so many words.
MOST_CAPITALS = 0.85
_LEAST_HEADING = 3
_ENDS = (".", "!", "?")
_LEAST_PREFIX = 4
_MOST_ENDING = 4
# Letters that are capital for how they stand, not for what they say.
_IDLE_CAPITALS = frozenset({"i", "ok"})
_ENDS_BEFORE = re.compile(r"(?:^|[.!?:;\u2022\"\u201c\u2018(\[]\s*|\n\s*)$")


@dataclass(frozen=True, slots=True)
class Name:
    """One word of a name, and where it stands among the text's words.

    One that is not `sure` begins a sentence, so that its capital may tell nothing.
    """

    word: Word
    place: int
    sure: bool

    @property
    def folded(self) -> str:
        """It in lower case, in one form of each character."""
        return self.word.folded


def names_of(reading: Reading, *, nouns_are_capital: bool = False) -> list[Name]:
    """Return the words of names, in order."""
    found = list(_candidates(reading))
    if nouns_are_capital or _is_heading(reading):
        return [name for name in found if _is_coded(name.word.text)]
    return found


def in_words(name: str, there: Collection[str]) -> bool:
    """Tell whether a name is among these folded words, in its own form or one made from it.

    `Norway` is in `Norwegian`; `France` and `French` stand in one line of the list of words that
    are alike.
    """
    if name in there:
        return True
    return len(name) >= _LEAST_PREFIX and any(_of_one_root(name, other) for other in there)


def is_initials(name: str, words: Sequence[str]) -> bool:
    """Tell whether an acronym's letters begin words that follow one another: `HR`, human resources.

    Words without a capital's weight (`of`, `and`) may stand between.
    """
    letters = name.lower()
    told = [word for word in words if word not in stop_words("english")]
    return len(letters) > 1 and any(
        all(word.startswith(letter) for word, letter in zip(told[at:], letters, strict=False))
        for at in range(len(told) - len(letters) + 1)
    )


def _candidates(reading: Reading) -> Iterator[Name]:
    words = reading.words
    for place, word in enumerate(words):
        if _is_capital(word) and not _is_idle(word):
            yield Name(word, place, _is_sure(reading, words, place))


def _is_capital(word: Word) -> bool:
    return word.text[0].isupper() or _is_coded(word.text)


def _is_coded(text: str) -> bool:
    """Tell an acronym, an identifier or a word with capitals inside."""
    if any(character.isdigit() for character in text):
        letters = any(character.isascii() and character.isalpha() for character in text)
        return letters and not is_number(text.lower())
    return sum(character.isupper() for character in text) > 1


def _is_idle(word: Word) -> bool:
    lower = word.folded
    if lower in MONTHS or lower in _IDLE_CAPITALS or len(lower) == 1:
        return True
    return word.idle and not (word.text.isupper() and len(word.text) > 1)


def _is_sure(reading: Reading, words: Sequence[Word], place: int) -> bool:
    word = words[place]
    if _is_coded(word.text):
        return True
    if not _ENDS_BEFORE.search(reading.text[max(0, word.start - 4) : word.start]):
        return True
    after = words[place + 1] if place + 1 < len(words) else None
    return after is not None and _follows(word, after) and not _is_idle(after)


def _follows(word: Word, after: Word) -> bool:
    between = after.start - word.start - len(word.text)
    return between == 1 and after.text[0].isupper()


def _is_heading(reading: Reading) -> bool:
    """Tell a text whose words are capital because it is a heading; no sentence is one."""
    if _is_sentence(reading):
        return False
    words = [word for word in reading.words[1:] if not word.idle and not word.is_number]
    capital = sum(word.text[0].isupper() for word in words)
    return len(words) >= _LEAST_HEADING and capital > MOST_CAPITALS * len(words)


def _is_sentence(reading: Reading) -> bool:
    """Tell a text that ends as a sentence does and whose words are not all capital."""
    return reading.text.rstrip().endswith(_ENDS) and any(
        word.text[0].islower() for word in reading.words
    )


def _of_one_root(one: str, other: str) -> bool:
    if is_listed_with(one, other):
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < _LEAST_PREFIX or long[0] != short[0]:
        return False
    if alike(short) == alike(long) and len(short) <= _LEAST_PREFIX + 2:
        return True
    short = short[: max(_LEAST_PREFIX, len(short) - 1)]
    return long.startswith(short) and len(long) - len(short) <= _MOST_ENDING
