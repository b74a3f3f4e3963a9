"""The recut step of a reindex: stored Elements become chunks for the new index; nothing is parsed.

A slice of documents at a time, by one slot for each collection, and only while no upload waits.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from time import monotonic
from uuid import UUID

import structlog

from services.ingest_worker.failures import is_final
from services.ingest_worker.jobs.base import Cutter
from services.ingest_worker.leases import LeaseLost, while_leased
from shared.database.chunks import NewChunk, Owner
from shared.database.engine import Database
from shared.database.parts import Parts
from shared.database.reindex_slices import ClaimedReindex, CutSlice, PageRow, ReindexSlices
from shared.errors import CitewellError, StageTimedOut
from shared.identity import new_id
from shared.settings import IngestSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DOCUMENTS_A_PAGE = 200
# A slice is written once it has so many chunks, or took so long; one document is never split.
CHUNKS_A_SLICE = 2000
SLICE_S = 2.0


class RecutStep:
    """Cuts the next documents of a collection for its new index."""

    def __init__(self, *, database: Database, cutter: Cutter, settings: IngestSettings) -> None:
        """Take the truth and the cutter."""
        self._database = database
        self._cutter = cutter
        self._settings = settings

    async def run(self, reindex_id: UUID) -> str:
        """Cut one slice; return what was done, in words."""
        async with self._database.worker() as connection:
            claimed = await ReindexSlices(connection).claim(
                reindex_id, claim=new_id(), lease_s=self._settings.lease_s
            )
        if claimed is None:
            return "nothing to do"
        with structlog.contextvars.bound_contextvars(reindex_id=str(reindex_id)):
            try:
                return await self._slice_leased(claimed)
            except LeaseLost:
                return "the lease was lost"
            except CitewellError as error:
                log.warning("recutting_waits", code=error.code, detail=error.detail)
                await self._release(claimed, pause=True)
                return error.code
            except asyncio.CancelledError:
                await self._release(claimed, pause=False)
                raise

    async def _slice_leased(self, claimed: ClaimedReindex) -> str:
        async def renew() -> bool:
            async with self._database.worker() as connection:
                return await ReindexSlices(connection).renew(
                    claimed, lease_s=self._settings.lease_s
                )

        return await while_leased(self._slice(claimed), renew, every_s=self._settings.lease_s / 3)

    async def _slice(self, claimed: ClaimedReindex) -> str:
        async with self._database.worker() as connection:
            slices = ReindexSlices(connection)
            page = await slices.page(claimed, limit=DOCUMENTS_A_PAGE)
            if not page:
                await slices.all_cut(claimed)
                return "every document is cut"
        cut = await self._cut(claimed, page)
        async with self._database.worker() as connection:
            if not await ReindexSlices(connection).write(claimed, cut):
                raise LeaseLost
        return f"{cut.documents} documents cut anew"

    async def _cut(self, claimed: ClaimedReindex, page: Sequence[PageRow]) -> CutSlice:
        """Cut documents in the order of their ids, until it is enough for one slice."""
        end, live, count = monotonic() + SLICE_S, 0, 0
        chunks: dict[UUID, Collection[NewChunk]] = {}
        problems: list[dict[str, str]] = []
        taken: list[PageRow] = []
        for rows in _by_document(page):
            taken += rows
            live += rows[0].live
            for owner in _owners(claimed, rows):
                try:
                    chunks[owner.version_id] = made = await self._cut_version(claimed, owner)
                    count += len(made)
                except CitewellError as error:
                    problems.append(_problem(owner, error))
            if count >= CHUNKS_A_SLICE or monotonic() >= end:
                break
        return CutSlice(taken[-1].document_id, live, chunks, taken, problems)

    async def _cut_version(self, claimed: ClaimedReindex, owner: Owner) -> Collection[NewChunk]:
        async with self._database.worker() as connection:
            packed = [part async for part in Parts(connection).elements(owner.version_id)]
        limit_s = self._settings.chunk_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.to_thread(self._cutter.cut, owner, packed, [claimed.index])
        except TimeoutError as error:
            raise StageTimedOut(f"It took longer than {limit_s:g} s to cut.") from error

    async def _release(self, claimed: ClaimedReindex, *, pause: bool) -> None:
        async with self._database.worker() as connection:
            await ReindexSlices(connection).release(claimed, pause=pause)


def _by_document(page: Sequence[PageRow]) -> Iterator[list[PageRow]]:
    for _, rows in groupby(page, key=attrgetter("document_id")):
        yield list(rows)


def _owners(claimed: ClaimedReindex, rows: Sequence[PageRow]) -> Iterator[Owner]:
    for row in rows:
        if row.version_id is not None and row.job_id is not None:
            yield Owner(claimed.tenant_id, row.job_id, row.document_id, row.version_id)


def _problem(owner: Owner, error: CitewellError) -> dict[str, str]:
    """Return what keeps one version from being cut, or raise what is no fault of its own."""
    if not is_final(error):
        raise error
    log.warning("version_not_cut", version_id=str(owner.version_id), detail=error.detail)
    return {"version_id": str(owner.version_id), "detail": error.detail}
