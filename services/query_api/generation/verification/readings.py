"""A text read once: its terms, its words in order, its numbers; what is dear waits to be asked."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from services.query_api.generation.verification.number_words import NUMBER_WORDS
from services.query_api.generation.verification.numbers import Number, numbers_of
from shared.embeddings.languages import STOP_WORDS, stems
from shared.embeddings.terms import terms
from shared.embeddings.words import plain, wholes_of

# Words that may stand for one another, so that an answer need not speak as its source does.
_LISTS = Path(__file__).parent / "alike.txt"
# Terms of so many letters count as one from here on: `assimilation` and `assimilated`.
_BEGINNING = 6
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = STOP_WORDS["english"]
# Numbers are compared as numbers, so their words and digits are no terms: `10th`, `1990s`, `16`.
_DIGITS = re.compile(r"[\d-]+(?:st|nd|rd|th|s)?|[\d-]+(?:k|m|bn)?")
_PART_OF_TIME = frozenset({"mid", "pre", "post", "early", "late"})
_NUMBER_TERMS = frozenset(stems(sorted(NUMBER_WORDS), "english"))


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it stands, in lower case, and what it is compared by.

    `start` is where it begins. `idle` ones say nothing of what the text is about.
    """

    text: str
    folded: str
    key: str
    start: int
    idle: bool

    @property
    def is_number(self) -> bool:
        """Whether it is one of a number."""
        return is_number(self.folded)


class Reading:
    """A text and what can be compared of it."""

    def __init__(self, text: str) -> None:
        """Take the text in one form of each character."""
        self.text = unicodedata.normalize("NFKC", text)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Its terms, numbers left out, by what they are compared by."""
        return frozenset(alike(term) for term in terms(self.text) if not is_number(term))

    @cached_property
    def codes(self) -> frozenset[str]:
        """Its identifiers, whole: file names, versions, error codes."""
        return frozenset(one for one in wholes_of(plain(self.text)) if _is_code(one))

    @cached_property
    def words(self) -> Sequence[Word]:
        """Its words in order, idle ones too."""
        found = list(_WORD.finditer(self.text))
        lowered = [plain(one[0]) for one in found]
        return [
            Word(one[0], lower, alike(stem), one.start(), lower in _STOP_WORDS)
            for one, lower, stem in zip(found, lowered, stems(lowered, "english"), strict=True)
        ]

    @cached_property
    def folded(self) -> frozenset[str]:
        """Its words in lower case, idle ones too."""
        return frozenset(word.folded for word in self.words)

    @cached_property
    def numbers(self) -> Sequence[Number]:
        """Its numbers in order."""
        return numbers_of(self.text)

    @cached_property
    def values(self) -> frozenset[str]:
        """All ways to read its numbers."""
        return frozenset(value for number in self.numbers for value in number.values)


def is_number(term: str) -> bool:
    """Tell whether a term is one of a number."""
    if term in _NUMBER_TERMS:
        return True
    return term[:1].isdigit() and _DIGITS.fullmatch(term) is not None


def _is_code(whole: str) -> bool:
    """Tell an identifier from a number, a number with its unit, and words that are joined."""
    parts = whole.split("-")
    if not _STOP_WORDS.isdisjoint(parts) or len(parts) == 1:
        return False
    if any(map(str.isdigit, whole)):
        return parts[0][0].isalpha() and parts[0] not in _PART_OF_TIME
    return all(len(part) > 1 for part in parts)


@lru_cache(maxsize=32_768)
def alike(term: str) -> str:
    """Return what stands for a term and for all that may be said in its place."""
    leader = _leaders().get(term, term)
    return leader if len(leader) <= _BEGINNING else leader[:_BEGINNING]


def is_listed_with(one: str, other: str) -> bool:
    """Tell whether two words, as they are written, stand in one line of the list."""
    line = _lines().get(one)
    return line is not None and line == _lines().get(other)


@cache
def _lines() -> Mapping[str, int]:
    """Return for each listed word, as it is written, the number of its line."""
    return {word: at for at, line in enumerate(_listed()) for word in line.split()}


@cache
def _leaders() -> Mapping[str, str]:
    """Return for each listed term the first one of its line."""
    found: dict[str, str] = {}
    for line in _listed():
        listed = terms(line)
        for term in listed:
            found.setdefault(term, listed[0])
    return found


def _listed() -> list[str]:
    lines = _LISTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]
