"""Repair: points that Postgres says were written and Qdrant does not hold are made anew.

A store that lost some (a restored back-up, a removed folder) or all of its points is filled again
from the chunks' texts; nothing is parsed a second time.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.engine import Database
from shared.database.point_ledger import ExpectedPoints, PointLedger
from shared.vectors.base import VectorStore

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Versions compared at a time: one statement, and a call to the store for each of their indexes.
VERSIONS_AT_ONCE = 500
FIRST = UUID(int=0)

# How a transaction is begun: the workers', or that of the one tenant a caller may see.
Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


@dataclass(frozen=True, slots=True)
class Gap:
    """A version of which an index holds fewer points than were written to it."""

    version_id: UUID
    index_id: UUID
    points: int
    there: int


async def queue_missing_points(database: Database, vectors: VectorStore) -> int:
    """Compare the counts of every live version and queue the chunks without a point.

    Returns:
        How many chunks were queued.

    Raises:
        DatabaseUnavailable, VectorStoreUnavailable: what was queued so far stays queued; doing it
            again goes on.
    """
    queued, after = 0, FIRST
    while True:
        async with database.worker() as connection:
            page = await PointLedger(connection).page(after=after, limit=VERSIONS_AT_ONCE)
        if not page:
            return queued
        for gap in await gaps_in(vectors, page):
            queued += await queue_gap(database.worker, vectors, gap)
        after = page[-1].version_id


async def gaps_in(vectors: VectorStore, page: Sequence[ExpectedPoints]) -> list[Gap]:
    """Compare what is expected with the counts of the store.

    Raises:
        VectorStoreUnavailable: the store does not answer.
    """
    by_index: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    for expected in page:
        if expected.index_id is not None:
            by_index[expected.index_id][expected.version_id] = expected.points
    gaps: list[Gap] = []
    for index_id, wanted in by_index.items():
        there = await vectors.count_versions(index_id, wanted)
        gaps += [
            Gap(version_id, index_id, points, there.get(version_id, 0))
            for version_id, points in wanted.items()
            if there.get(version_id, 0) < points
        ]
    return gaps


async def queue_gap(begin: Begin, vectors: VectorStore, gap: Gap) -> int:
    """Queue the chunks of a version whose points are not there; return how many.

    Raises:
        DatabaseUnavailable, VectorStoreUnavailable: nothing of this version was queued.
    """
    async with begin() as connection:
        chunk_ids = await PointLedger(connection).written_chunks(gap.version_id, gap.index_id)
    there = await vectors.dense_vectors(gap.index_id, chunk_ids)
    missing = [chunk_id for chunk_id in chunk_ids if chunk_id not in there]
    async with begin() as connection:
        queued = await PointLedger(connection).queue(gap.version_id, missing)
    log.warning("points_missing", version_id=str(gap.version_id), chunks=queued)
    return queued
