"""Repair: points that Postgres says were written and Qdrant does not hold are made anew.

A store that lost some (a restored back-up, a removed folder) or all of its points is filled again
from the chunks' texts; nothing is parsed a second time.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import structlog

from shared.database.engine import Database
from shared.database.point_ledger import ExpectedPoints, PointLedger
from shared.vectors.base import VectorStore

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Versions compared at a time: one statement, and a call to the store for each of their indexes.
VERSIONS_AT_ONCE = 500
FIRST = UUID(int=0)


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
        queued += await _queue_missing(database, vectors, page)
        after = page[-1].version_id


async def _queue_missing(
    database: Database, vectors: VectorStore, page: Sequence[ExpectedPoints]
) -> int:
    by_index: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    for expected in page:
        if expected.index_id is not None:
            by_index[expected.index_id][expected.version_id] = expected.points
    queued = 0
    for index_id, wanted in by_index.items():
        there = await vectors.count_versions(index_id, wanted)
        for version_id, points in wanted.items():
            if there.get(version_id, 0) < points:
                queued += await _queue_version(database, vectors, index_id, version_id)
    return queued


async def _queue_version(
    database: Database, vectors: VectorStore, index_id: UUID, version_id: UUID
) -> int:
    async with database.worker() as connection:
        chunk_ids = await PointLedger(connection).written_chunks(version_id, index_id)
    there = await vectors.dense_vectors(index_id, chunk_ids)
    missing = [chunk_id for chunk_id in chunk_ids if chunk_id not in there]
    async with database.worker() as connection:
        queued = await PointLedger(connection).queue(version_id, missing)
    log.warning("points_missing", version_id=str(version_id), chunks=queued)
    return queued
