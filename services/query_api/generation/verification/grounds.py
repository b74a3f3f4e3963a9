"""The sentences of the passages a question has, read once, and how rare their terms are."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.query_api.generation.passages import Passage
from services.query_api.generation.sentences import spans
from services.query_api.generation.verification.commands import is_command
from services.query_api.generation.verification.readings import Reading
from shared.database.live_chunks import LiveChunk
from shared.embeddings.languages import languages_of
from shared.embeddings.words import plain, words_of

REACH_OF_PRONOUNS = 3
# What parts the cells of a table's row.
_CELLS = ("|", "\t")


@dataclass(frozen=True)
class Source:
    """A sentence of a passage: whose it is, its span in its chunk, its place in the passage."""

    passage: Passage
    chunk: LiveChunk
    start: int
    end: int
    place: int
    reading: Reading

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table."""
        return any(mark in self.reading.text for mark in _CELLS)

    @property
    def id(self) -> tuple[int, int]:
        """What tells it from all others of the question."""
        return self.passage.number, self.place


class Grounds:
    """All that an answer may rest on, sentence by sentence."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Read the passages."""
        self.passages = passages
        self._sources = {one.number: list(_sources(one)) for one in passages}
        self._heads = {one.number: Reading(_head(one)) for one in passages}
        self._having = Counter(key for one in self.sources(passages) for key in one.reading.keys)
        self._count = sum(map(len, self._sources.values()))

    def sources(self, passages: Iterable[Passage]) -> list[Source]:
        """Return the sentences of some passages, in order."""
        return [source for one in passages for source in self._sources[one.number]]

    @cached_property
    def nouns_are_capital(self) -> bool:
        """Whether most of it is German, whose capitals tell no names."""
        words = [word for one in self.passages for word in words_of(plain(one.text))]
        return languages_of(words).get("LATIN") == "german"

    def holding(self, passages: Iterable[Passage]) -> list[Source]:
        """Return those of them that may hold something up: no order to the model, nor the next."""
        found: list[Source] = []
        for one in passages:
            orders = {at.place for at in self._sources[one.number] if is_command(at.reading.text)}
            taken = orders | {place + 1 for place in orders}
            found += [source for source in self._sources[one.number] if source.place not in taken]
        return found

    def head(self, passage: Passage) -> Reading:
        """Return what stands over a passage: its titles and its file's name."""
        return self._heads[passage.number]

    def rarity(self, key: str) -> float:
        """Return BM25's idf of a term over these sentences; one that none has is as one of one."""
        having = max(1, self._having[key])
        return math.log(1 + (self._count - having + 0.5) / (having + 0.5))

    def around(self, source: Source) -> list[Source]:
        """Return a sentence with what it is read with: neighbours, of a row the table's first."""
        beside = self._sources[source.passage.number]
        near = beside[max(0, source.place - 1) : source.place + 2]
        return [*near, *self._first_row(source, beside)]

    def before(self, source: Source) -> list[Source]:
        """Return the sentences that a pronoun in one may speak of."""
        beside = self._sources[source.passage.number]
        return beside[max(0, source.place - REACH_OF_PRONOUNS) : source.place]

    def _first_row(self, source: Source, beside: list[Source]) -> list[Source]:
        if not source.is_row:
            return []
        first = source.place
        while first > 0 and beside[first - 1].is_row:
            first -= 1
        return beside[first : first + 1]


def _sources(passage: Passage) -> Iterator[Source]:
    # What one chunk repeats of the one before is one sentence, and that of the better chunk.
    rank = {chunk.id: at for at, chunk in enumerate(passage.best_first)}
    found: dict[str, tuple[LiveChunk, int, int]] = {}
    for chunk in passage.chunks:
        for start, end in spans(chunk.text):
            known, _, _ = found.setdefault(chunk.text[start:end], (chunk, start, end))
            if rank[chunk.id] < rank[known.id]:
                found[chunk.text[start:end]] = (chunk, start, end)
    for place, (text, (chunk, start, end)) in enumerate(found.items()):
        yield Source(passage, chunk, start, end, place, Reading(text))


def _head(passage: Passage) -> str:
    titles = dict.fromkeys(title for chunk in passage.chunks for title in chunk.section)
    return ". ".join((*titles, passage.chunks[0].filename))
