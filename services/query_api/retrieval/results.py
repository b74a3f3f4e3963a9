"""Results of searches, remembered until their collection changes; their texts never are.

A result is kept under the whole request and the collection's generation, which rises in every
transaction that changes what a search may find. What is remembered is which chunks and how
relevant: whoever gets it reads them anew, as they are live now, so nothing deleted is ever shown.
"""

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from services.query_api.retrieval.hits import Found, Hit, SearchQuery
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.caches import Flights, SizedCache
from shared.database.engine import Database
from shared.database.live_chunks import ActiveIndex, LiveChunk, LiveChunks

# A hit without its text, as Python holds it.
_HIT_BYTES = 1200
_LETTER_BYTES = 4

Search = Callable[[], Coroutine[Any, Any, Found]]


class ResultCache:
    """Finds the same again without searching, and searches once for all who ask the same at once.

    What was found without something it needed is not remembered. What the generation cannot tell,
    such as points that the vector store lost and got back, is out of date for `ttl_s` at most.
    """

    def __init__(self, database: Database, *, max_bytes: int, ttl_s: float) -> None:
        """Take the database; `max_bytes` 0 remembers nothing."""
        self._database = database
        self._kept: SizedCache[str, Found] = SizedCache("results", max_bytes=max_bytes, ttl_s=ttl_s)
        self._flights: Flights[str, Found] = Flights("results", stops_unwaited=True)

    async def of(
        self, query: SearchQuery, index: ActiveIndex, search: Search, watch: Stopwatch
    ) -> Found:
        """Return what was found before and is live still, else what `search` finds.

        Raises:
            DatabaseUnavailable: Postgres does not answer.
            CitewellError: whatever `search` raises, which may have been begun by another.
        """
        key = _key(query, index)
        kept = self._kept.get(key)
        if kept is not None:
            again = await self._read_again(kept, query, index, watch)
            if again is not None:
                return again
        found, own = await self._flights.share(key, lambda: self._search(key, search))
        if own:
            return found
        # The other one may have read its texts before a deletion that this one comes after.
        again = await self._read_again(found, query, index, watch)
        return again if again is not None else await search()

    def close(self) -> None:
        """Stop what is under way."""
        self._flights.cancel()

    async def _search(self, key: str, search: Search) -> Found:
        found = await search()
        if not found.degraded:
            size = len(_ids(found)) * _HIT_BYTES + len(key) * _LETTER_BYTES
            self._kept.put(key, _without_texts(found), size)
        return found

    async def _read_again(
        self, found: Found, query: SearchQuery, index: ActiveIndex, watch: Stopwatch
    ) -> Found | None:
        """Return a result with its texts as they are live now; None if a hit is gone.

        A copy that is gone is not named any more.
        """
        with watch.stage("live"):
            live = await self._database.in_time(self._read(found, query.tenant_id, index.id))
        if any(hit.chunk.id not in live for hit in found.hits):
            return None
        hits = tuple(_with_texts(hit, live) for hit in found.hits)
        return replace(found, hits=hits, timings=watch.milliseconds())

    async def _read(self, found: Found, tenant_id: str, index_id: UUID) -> Mapping[UUID, LiveChunk]:
        if not found.hits:
            return {}
        async with self._database.tenant(tenant_id) as connection:
            return await LiveChunks(connection).read(index_id, _ids(found))


def _ids(found: Found) -> list[UUID]:
    return [chunk.id for hit in found.hits for chunk in (hit.chunk, *(hit.duplicates or ()))]


def _key(query: SearchQuery, index: ActiveIndex) -> str:
    """Write down everything that decides what is found; `1`, `1.0` and `true` differ."""
    # The languages of an index decide how a question is read.
    read = [str(index.id), index.generation, dict(index.languages), asdict(query)]
    return json.dumps(read, sort_keys=True)


def _without_texts(found: Found) -> Found:
    return replace(found, hits=tuple(_without_text(hit) for hit in found.hits), timings={})


def _without_text(hit: Hit) -> Hit:
    copies = hit.duplicates and tuple(map(_bare, hit.duplicates))
    return replace(hit, chunk=_bare(hit.chunk), duplicates=copies)


def _bare(chunk: LiveChunk) -> LiveChunk:
    return replace(chunk, text="", section=(), attributes={}, page_turns=())


def _with_texts(hit: Hit, live: Mapping[UUID, LiveChunk]) -> Hit:
    copies = hit.duplicates and tuple(live[one.id] for one in hit.duplicates if one.id in live)
    return replace(hit, chunk=live[hit.chunk.id], duplicates=copies)
