"""The chunks that stand before and after the hits, as they are live now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from services.query_api.retrieval.hits import Context, Found, Hit, SearchQuery
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.database.engine import Database
from shared.database.live_chunks import LiveChunk, LiveChunks

# A version and an ordinal in it.
Place = tuple[UUID, int]


async def with_neighbours(
    found: Found, query: SearchQuery, index_id: UUID, database: Database, watch: Stopwatch
) -> Found:
    """Return the hits with as many chunks on either side as are asked for, read in one statement.

    Raises:
        DatabaseUnavailable: Postgres does not answer.
    """
    if not query.neighbours:
        return found
    wanted = {place for hit in found.hits for place in _places(hit, query.neighbours)}
    with watch.stage("neighbours"):
        there = {_place(hit.chunk): hit.chunk for hit in found.hits}
        reading = _read(database, query.tenant_id, index_id, wanted - there.keys())
        there |= {_place(chunk): chunk for chunk in await database.in_time(reading)}
    hits = tuple(replace(hit, context=_context(hit, query, there)) for hit in found.hits)
    return replace(found, hits=hits, timings=watch.milliseconds())


async def _read(
    database: Database, tenant_id: str, index_id: UUID, places: set[Place]
) -> Sequence[LiveChunk]:
    if not places:
        return []
    async with database.tenant(tenant_id) as connection:
        return await LiveChunks(connection).read_at(index_id, places)


def _place(chunk: LiveChunk) -> Place:
    return chunk.version_id, chunk.ordinal


def _places(hit: Hit, neighbours: int) -> Iterator[Place]:
    for distance in range(1, neighbours + 1):
        yield hit.chunk.version_id, hit.chunk.ordinal - distance
        yield hit.chunk.version_id, hit.chunk.ordinal + distance


def _context(hit: Hit, query: SearchQuery, there: Mapping[Place, LiveChunk]) -> Context:
    version, at = _place(hit.chunk)
    before = range(at - query.neighbours, at)
    after = range(at + 1, at + query.neighbours + 1)
    return Context(
        *(
            tuple(there[version, place] for place in side if (version, place) in there)
            for side in (before, after)
        )
    )
