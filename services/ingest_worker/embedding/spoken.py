"""Tells an index which languages its chunks have, seldom and before any of them can be found.

Numbers are for shares, so they need not be exact: a chunk written twice counts twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from uuid import UUID

from shared.database.chunks import Chunks
from shared.database.engine import Database

# Told again once what is new is this part of what is known: a million chunks are some 150 updates.
_NEWS = 0.1


class SpokenLanguages:
    """Counts the languages of the chunks that this process writes."""

    def __init__(self, database: Database) -> None:
        """Know nothing yet."""
        self._database = database
        self._known: dict[UUID, Counter[str]] = {}
        self._new: dict[UUID, Counter[str]] = defaultdict(Counter)

    async def note(self, index_id: UUID, languages: Iterable[str]) -> None:
        """Count a language for each chunk that has it; what is new to the index is told at once.

        Raises:
            DatabaseUnavailable: nothing was told; counted again with the next chunks.
        """
        new, known = self._new[index_id], self._known.get(index_id, Counter())
        new.update(languages)
        if new.keys() <= known.keys() and new.total() <= _NEWS * known.total():
            return
        # Taken away before waiting: others note meanwhile.
        self._new[index_id] = Counter()
        async with self._database.worker() as connection:
            told = await Chunks(connection).speak(index_id, new)
        self._known[index_id] = Counter(told)
