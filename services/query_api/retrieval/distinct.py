"""Whether a text says nothing that another does not: copies under other names, other versions.

Strict where it matters: a text with a word or a number of its own is never taken for a copy, so
forms that differ in a name, a date or a "not" all stay (docs/decisions/0166-what-is-a-copy.md).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from shared.database.live_chunks import LiveChunk

# Words that stand together; and the share of a text's runs of them that the other must have.
RUN = 5
SHARED = 0.9
# A copy is about as long: a sentence that a long text also has is found for its own sake.
LEAST_LENGTH = 0.5

# Characters of a text in which one word is looked for that another has not.
PLACE = 80

_QUOTES = "\"'\u2018\u2019\u201c\u201d\u00ab\u00bb"
# Signs of a number (-5, (5), <5, 5%) and the borders of cells stay.
_ENDS = _QUOTES + ".,;:!?"

Run = tuple[str, ...]


@dataclass(frozen=True)
class Wording:
    """A text without its case; its words in their order, without punctuation at their ends."""

    text: str

    @classmethod
    def of(cls, chunk: LiveChunk) -> Self:
        """Read the titles above a chunk and its text."""
        return cls("\n".join((*chunk.section, chunk.text)).casefold())

    @cached_property
    def samples(self) -> list[str]:
        """The longest word of each of some places: what another text most likely has not."""
        places = range(0, len(self.text), max(PLACE, len(self.text) // 4))
        whole = (self.text[at : at + PLACE].split()[1:-1] for at in places)
        return [_bare(max(words, key=len)) for words in whole if words]

    @cached_property
    def words(self) -> list[str]:
        """Its words."""
        return [word for word in map(_bare, self.text.split()) if word]

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Each word once."""
        return frozenset(self.words)

    @cached_property
    def runs(self) -> frozenset[Run]:
        """Every five words that stand together; none where there are fewer."""
        return frozenset(zip(*(self.words[at:] for at in range(RUN)), strict=False))


def is_copy(text: Wording, original: Wording) -> bool:
    """Tell whether all that a text says stands in another, which is not much longer."""
    if text.text == original.text:
        return True
    # Nearly all comparisons end here, before any text is cut into words.
    if any(word not in original.text for word in text.samples):
        return False
    return text.words == original.words or _is_part(text, original)


def _is_part(text: Wording, original: Wording) -> bool:
    return (
        len(text.words) >= max(RUN, LEAST_LENGTH * len(original.words))
        and text.vocabulary <= original.vocabulary
        and _runs_stand_in(text.runs, original.runs)
    )


def _bare(word: str) -> str:
    return word.rstrip(_ENDS).lstrip(_QUOTES)


def _runs_stand_in(runs: frozenset[Run], others: frozenset[Run]) -> bool:
    own = runs - others
    # What stands beside a number says what it is of: that must be there word for word.
    return len(own) <= (1 - SHARED) * len(runs) and not any(map(_has_number, own))


def _has_number(run: Run) -> bool:
    return any(character.isdigit() for word in run for character in word)
