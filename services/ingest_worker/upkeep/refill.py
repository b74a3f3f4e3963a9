"""Goes on with reindexes: the second index is made, seen to be filled, and the other removed.

A loop in every ingest API; the documents themselves are cut and embedded by the workers. All of it
is rows, so it may die anywhere and goes on where it was.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from services.ingest_worker.upkeep.moves import tell_move
from services.ingest_worker.upkeep.repair import VERSIONS_AT_ONCE, gaps_in, queue_gap
from services.ingest_worker.upkeep.stepping import keep_stepping
from shared.database.chunks import Chunks
from shared.database.engine import Database
from shared.database.point_ledger import PointLedger
from shared.database.reindex_slices import FIRST, ReindexSlices
from shared.database.reindexes import OpenReindex, Reindexes, ReindexStage
from shared.embeddings.spaces import embedding_space
from shared.embeddings.sparse import ANALYSER
from shared.vectors.base import VectorStore

# Chunk rows removed by one transaction.
CHUNKS_AT_ONCE = 2000
DOCUMENTS_AT_ONCE = 1000

Step = Callable[[OpenReindex], Awaitable[bool]]


class Refiller:
    """Goes on with the reindexes that were begun, whoever began them."""

    def __init__(
        self,
        *,
        database: Database,
        vectors: VectorStore,
        wake: Callable[[], None],
        pause_s: float,
        grace_s: float,
        folders: Sequence[Path] = (),
    ) -> None:
        """Take the stores and the dispatcher's bell; looks for work every `pause_s`.

        An index goes `grace_s` after it last answered, and its rows once no paused worker can
        write to it any more. `folders` have models of the operator's own.
        """
        self._folders = folders
        self._database = database
        self._vectors = vectors
        self._wake = wake
        self._pause_s = pause_s
        self._grace_s = grace_s
        self._steps: Mapping[str, Step] = {
            "preparing": self._prepare,
            "embedding": self._wait,
            "checking": self._check,
            "mending": self._end_mending,
            "removing": self._remove,
        }

    async def run(self) -> None:
        """Go on with what there is, until cancelled."""
        await keep_stepping(self.step, pause_s=self._pause_s, waits="reindex_waits")

    async def step(self) -> bool:
        """Do one step of each open reindex; False when all of them wait for others.

        Raises:
            DatabaseUnavailable, VectorStoreUnavailable: doing it again goes on.
        """
        async with self._database.worker() as connection:
            open_ = await Reindexes(connection).open(grace_s=self._grace_s)
        moved = [await self._steps[one.stage](one) for one in open_ if one.stage in self._steps]
        if any(moved):
            self._wake()
        return any(moved)

    async def _prepare(self, reindex: OpenReindex) -> bool:
        dimensions = embedding_space(reindex.new_space, self._folders).dimensions
        await self._vectors.create_index(reindex.new_index, dimensions=dimensions)
        async with self._database.worker() as connection:
            await Chunks(connection).index_is_ready(reindex.new_index, analyser=ANALYSER)
        return await self._move(reindex, "cutting")

    async def _wait(self, reindex: OpenReindex) -> bool:
        if await self._is_left(reindex):
            return False
        return await self._move(reindex, "checking")

    async def _check(self, reindex: OpenReindex) -> bool:
        """Compare what is there now; points lost meanwhile are made anew, once."""
        _, queued = await self._compare(reindex, mend=True)
        if queued:
            return await self._move(reindex, "mending")
        return await self._fill(reindex)

    async def _end_mending(self, reindex: OpenReindex) -> bool:
        # A text that the embedder refuses would be missing for ever: it is told, and that is all.
        return False if await self._is_left(reindex) else await self._fill(reindex)

    async def _fill(self, reindex: OpenReindex) -> bool:
        chunks, _ = await self._compare(reindex, mend=False)
        missing = chunks + await self._lacking(reindex)
        async with self._database.worker() as connection:
            moved = await Reindexes(connection).filled(reindex, missing=missing)
        return _told(reindex, "ready", moved=moved)

    async def _compare(self, reindex: OpenReindex, *, mend: bool) -> tuple[int, int]:
        """Return how many points the new index lacks, and how many of them were queued."""
        missing, queued, after = 0, 0, FIRST
        while True:
            async with self._database.tenant(reindex.tenant_id) as connection:
                page = await PointLedger(connection).page(after=after, limit=VERSIONS_AT_ONCE)
            if not page:
                return missing, queued
            mine = [one for one in page if one.index_id == reindex.new_index]
            for gap in await gaps_in(self._vectors, mine):
                missing += gap.points - gap.there
                if mend:
                    queued += await queue_gap(self._database.worker, self._vectors, gap)
            after = page[-1].version_id

    async def _lacking(self, reindex: OpenReindex) -> int:
        """Count the live versions that have no chunk in the new index."""
        lacking, after = 0, FIRST
        while True:
            async with self._database.worker() as connection:
                count, last = await ReindexSlices(connection).lacking(
                    reindex, after=after, limit=DOCUMENTS_AT_ONCE
                )
            if last is None:
                return lacking
            lacking, after = lacking + count, last

    async def _remove(self, reindex: OpenReindex) -> bool:
        """Drop the index that goes, remove its rows, and drop it until nobody can make it again."""
        if not reindex.unread:
            return False
        index_id = reindex.other_index
        if await self._remove_rows(reindex, index_id):
            return True
        await self._vectors.drop_index(index_id)
        async with self._database.worker() as connection:
            over = await ReindexSlices(connection).is_over(index_id, grace_s=self._grace_s)
        if not over or await self._vectors.count(index_id):
            return False
        async with self._database.worker() as connection:
            await ReindexSlices(connection).end(reindex.id, index_id)
        return _told(reindex, "done", moved=True)

    async def _remove_rows(self, reindex: OpenReindex, index_id: UUID) -> bool:
        async with self._database.worker() as connection:
            versions = await ReindexSlices(connection).remove_some(
                reindex.id, index_id, limit=CHUNKS_AT_ONCE, grace_s=self._grace_s
            )
        if versions:
            async with self._database.worker() as connection:
                await ReindexSlices(connection).recount(index_id, versions)
        return bool(versions)

    async def _is_left(self, reindex: OpenReindex) -> bool:
        async with self._database.worker() as connection:
            return await Reindexes(connection).is_left(reindex.new_index)

    async def _move(self, reindex: OpenReindex, stage: ReindexStage) -> bool:
        async with self._database.worker() as connection:
            moved = await Reindexes(connection).move(reindex, stage)
        return _told(reindex, stage, moved=moved)


def _told(reindex: OpenReindex, stage: ReindexStage, *, moved: bool) -> bool:
    if moved:
        tell_move(stage, reindex_id=str(reindex.id))
    return moved
