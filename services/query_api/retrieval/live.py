"""Candidates of the vector store, less what no query may see; asked again when that is much."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from services.query_api.retrieval.hits import Live
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.database.engine import Database
from shared.database.live_chunks import LiveChunks
from shared.vectors.base import Candidates, VectorQuery
from shared.vectors.guarded import Searcher

MAX_ROUNDS = 3


class Wanted(NamedTuple):
    """How many live candidates will do, and of how many of the first the texts are read.

    None is all of them.
    """

    hits: int
    texts: int | None


class _Fallen(NamedTuple):
    """The versions that no query may see, and whether one that took a place was not found yet.

    It may have come between the search and the reading.
    """

    dead: Collection[UUID] = ()
    replaced: bool = False


class LiveSearch:
    """Searches the store and lets Postgres decide what counts."""

    def __init__(self, *, database: Database, vectors: Searcher) -> None:
        """Take the two stores."""
        self._database = database
        self._vectors = vectors

    async def find(
        self, index_id: UUID, query: VectorQuery, *, wanted: Wanted, watch: Stopwatch
    ) -> Live:
        """Return the live candidates; up to three rounds while fewer than wanted are left.

        Each further round leaves out the versions that fell and looks twice as deep. Where one of
        them was replaced by a version that the store did not bring back, there is always another.

        Raises:
            VectorStoreUnavailable, DatabaseUnavailable: a store does not answer.
        """
        live = Live()
        for _ in range(MAX_ROUNDS):
            with watch.stage("search"):
                found = await self._vectors.search(index_id, query)
            with watch.stage("live"):
                reading = self._drop_dead(index_id, query.tenant_id, found, wanted.texts)
                live, fallen = await self._database.in_time(reading)
            fell = len(_ids(found)) - len(live.fused)
            live = replace(live, all=_is_all(found, query.depth))
            enough = len(live.fused) >= wanted.hits or live.all
            if not fell or (enough and not fallen.replaced):
                return live
            query = replace(
                query,
                depth=query.depth * 2,
                excluded_versions=[*query.excluded_versions, *sorted(fallen.dead)],
            )
        return replace(live, complete=False)

    async def _drop_dead(
        self, index_id: UUID, tenant_id: str, found: Candidates, texts: int | None
    ) -> tuple[Live, _Fallen]:
        """Return the candidates that are live, and what became of the others."""
        live = Live.of(found.dense, found.sparse)
        first = list(islice(live.fused, texts))
        async with self._database.tenant(tenant_id) as connection:
            repository = LiveChunks(connection)
            chunks = await repository.read(index_id, first)
            if len(chunks) == len(first):
                # What lies behind is not shown: at the most it moves the scale of the scores.
                return replace(live, chunks=chunks), _Fallen()
            if len(first) < len(live.fused):
                # All in one statement: between two a version can take another's place.
                chunks = await repository.read(index_id, list(live.fused))
            # A point can outlive its chunk in a version that is live: only dead ones are left out.
            fallen = {version for id_, version in _ids(found).items() if id_ not in chunks}
            now = await repository.live_versions(list(fallen)) if fallen else {}
        return replace(_among(found, chunks), chunks=chunks), _fallen(found, fallen, now)


def _fallen(found: Candidates, versions: Collection[UUID], now: Mapping[UUID, UUID]) -> _Fallen:
    dead = {version for version in versions if now.get(version) != version}
    return _Fallen(dead, not set(_ids(found).values()).issuperset(now.values()))


def _among(found: Candidates, chunks: Collection[UUID]) -> Live:
    return Live.of(
        (one for one in found.dense if one.chunk_id in chunks),
        (one for one in found.sparse if one.chunk_id in chunks),
    )


def _ids(found: Candidates) -> dict[UUID, UUID]:
    return {one.chunk_id: one.version_id for one in (*found.dense, *found.sparse)}


def _is_all(found: Candidates, depth: int) -> bool:
    """Tell whether the store has nothing further: every list ended before its depth."""
    return len(found.dense) < depth and len(found.sparse) < depth
