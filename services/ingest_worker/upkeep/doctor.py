"""The doctor: compares Postgres, the vector store and the blobs of one tenant, and mends them.

Nothing is guessed: what differs is looked at twice, since the stores are read one after the other
while work goes on. Bounded in time: whoever is too big for the time is told `complete: False`.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.upkeep.deletion import orphan_pages, remove_bytes, slices
from services.ingest_worker.upkeep.repair import FIRST, VERSIONS_AT_ONCE, Gap, gaps_in, queue_gap
from shared.blobs.listed import ListedBlobStore
from shared.database.checkups import BlobRow, Checkups, PendingRows, StuckRows, WaitingRow
from shared.database.engine import Database
from shared.database.point_ledger import ExpectedPoints, PointLedger
from shared.database.sweeps import STALE_S, SWEEP, Sweeps
from shared.errors import Unavailable, VectorStoreUnavailable
from shared.vectors.base import VectorStore

DifferenceKind = Literal["points_missing", "points_orphaned", "bytes_missing", "bytes_orphaned"]
EXAMPLES = 10
WAITING_SHOWN = 20
# Versions of one index that are listed by one call; with more the check is not complete.
MOST_VERSIONS = 100_000
BLOBS_AT_ONCE = 500
# Questions to the blob store under way at once.
LOOKS_AT_ONCE = 16

InTime = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that differs: its id and a few words."""

    id: UUID
    detail: str


@dataclass(slots=True)
class Difference:
    """What one comparison found: points or files, and how many of them were mended.

    `complete` is false when time ran out or a store did not answer, which `reason` then says.
    """

    kind: DifferenceKind
    count: int = 0
    fixed: int = 0
    examples: list[Example] = field(default_factory=list)
    complete: bool = False
    reason: str | None = None

    def add(self, count: int, example: Example | None = None, *, fixed: int = 0) -> None:
        """Note that so many more differ."""
        self.count += count
        self.fixed += fixed
        if example is not None and len(self.examples) < EXAMPLES:
            self.examples.append(example)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found; `sweep_age_s` is None before the first sweep of the deployment."""

    differences: Sequence[Difference]
    pending: PendingRows
    stuck: StuckRows
    sweep_age_s: float | None
    waiting: Sequence[WaitingRow]

    @property
    def complete(self) -> bool:
        """Whether every comparison came to its end."""
        return all(difference.complete for difference in self.differences)

    @property
    def well(self) -> bool:
        """Whether all was compared, what differed is mended, and nothing is stuck."""
        swept = self.sweep_age_s is not None and self.sweep_age_s <= STALE_S
        moving = not (self.stuck.expired_leases or self.stuck.past_deadline or self.waiting)
        whole = all(difference.count <= difference.fixed for difference in self.differences)
        return self.complete and whole and moving and swept


@dataclass(frozen=True, slots=True)
class Patient:
    """One tenant's stores; with `fix` what differs is mended where it can be."""

    database: Database
    vectors: VectorStore
    blobs: ListedBlobStore
    tenant_id: str
    fix: bool

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Begin a transaction that sees this tenant alone."""
        return self.database.tenant(self.tenant_id)


async def examine(patient: Patient, *, budget_s: float) -> Diagnosis:
    """Compare everything a tenant has, for about `budget_s` at most.

    Each comparison has an equal share of the time that is left, so that none starves another.

    Raises:
        DatabaseUnavailable: Postgres does not answer; without it nothing can be told.
    """
    checks = (_points_missing, _points_orphaned, _bytes_missing, _bytes_orphaned)
    end = time.monotonic() + budget_s
    async with patient.begin() as connection:
        checkups = Checkups(connection)
        pending, stuck = await checkups.pending(), await checkups.stuck(after_s=STALE_S)
        waiting = await checkups.waiting_for_operator(limit=WAITING_SHOWN)
    async with patient.database.worker() as connection:
        sweep_age_s = await Sweeps(connection).age_s(SWEEP)
    differences: list[Difference] = []
    for left, check in zip(range(len(checks), 0, -1), checks, strict=True):
        now = time.monotonic()
        differences.append(await check(patient, _until(now + (end - now) / left)))
    return Diagnosis(differences, pending, stuck, sweep_age_s, waiting)


async def mend_points(
    database: Database, vectors: VectorStore, blobs: ListedBlobStore, tenant_id: str
) -> int:
    """Compare all points of a tenant, however long it takes, and mend what differs.

    Returns:
        How many chunks were queued to be embedded again.

    Raises:
        DatabaseUnavailable, VectorStoreUnavailable: doing it again goes on.
    """
    patient = Patient(database, vectors, blobs, tenant_id, fix=True)
    missing = await _points_missing(patient, lambda: True)
    if not missing.complete:
        raise VectorStoreUnavailable(missing.reason)
    await _points_orphaned(patient, lambda: True)
    return missing.fixed


async def _points_missing(patient: Patient, in_time: InTime) -> Difference:
    """Find the points that were written and are not there; mended by embedding them anew."""
    found = Difference("points_missing")

    async def look() -> bool:
        after = FIRST
        while in_time():
            async with patient.begin() as connection:
                page = await PointLedger(connection).page(after=after, limit=VERSIONS_AT_ONCE)
            if not page:
                return True
            for gap in await _confirmed(patient, page):
                queued = await queue_gap(patient.begin, patient.vectors, gap) if patient.fix else 0
                missing = gap.points - gap.there
                told = Example(gap.version_id, f"{missing} of {gap.points} points are missing")
                found.add(max(missing, queued), told, fixed=queued)
            after = page[-1].version_id
        return False

    return await _looked(found, look)


async def _confirmed(patient: Patient, page: Sequence[ExpectedPoints]) -> list[Gap]:
    """Return the gaps of versions that nobody replaced or deleted while the store was asked."""
    gaps = await gaps_in(patient.vectors, page)
    if not gaps:
        return []
    async with patient.begin() as connection:
        now = await PointLedger(connection).of_versions([gap.version_id for gap in gaps])
    points = {(one.version_id, one.index_id): one.points for one in now}
    return [gap for gap in gaps if points.get((gap.version_id, gap.index_id), 0) > gap.there]


async def _points_orphaned(patient: Patient, in_time: InTime) -> Difference:
    """Find points that no row in Postgres explains; mended by deleting them."""
    found = Difference("points_orphaned")

    async def look() -> bool:
        async with patient.begin() as connection:
            indexes = await Checkups(connection).indexes()
        whole = True
        for index_id in indexes:
            there = await patient.vectors.versions(
                index_id, tenant_id=patient.tenant_id, limit=MOST_VERSIONS
            )
            whole = whole and len(there) < MOST_VERSIONS
            for versions in slices(list(there), VERSIONS_AT_ONCE):
                if not in_time():
                    return False
                await _compare_versions(patient, found, index_id, versions)
        return whole

    return await _looked(found, look)


async def _compare_versions(
    patient: Patient, found: Difference, index_id: UUID, versions: Sequence[UUID]
) -> None:
    async with patient.begin() as connection:
        unknown = await Checkups(connection).unknown_versions(index_id, versions)
    # What was being removed when the store was listed is gone by now.
    orphans = await patient.vectors.count_versions(index_id, unknown)
    left = dict(orphans)
    if patient.fix and orphans:
        await patient.vectors.delete_versions(index_id, list(orphans))
        left = dict(await patient.vectors.count_versions(index_id, list(orphans)))
    for version_id, points in orphans.items():
        told = Example(version_id, f"{points} points of a version without chunks")
        found.add(points, told, fixed=points - left.get(version_id, 0) if patient.fix else 0)


async def _bytes_missing(patient: Patient, in_time: InTime) -> Difference:
    """Find versions and kept files whose bytes are gone; who has the file can mend that."""
    found = Difference("bytes_missing")

    async def look() -> bool:
        after = b""
        while in_time():
            async with patient.begin() as connection:
                rows = await Checkups(connection).blobs(after=after, limit=BLOBS_AT_ONCE)
            if not rows:
                return True
            gone = await _gone(patient.blobs, rows)
            async with patient.begin() as connection:
                needing = await Checkups(connection).needing(gone)
            for one in needing:
                what = "a file" if one.version is None else f"version {one.version}"
                found.add(1, Example(one.id, f"{one.name}, {what}"))
            after = rows[-1].sha256
        return False

    return await _looked(found, look)


async def _gone(blobs: ListedBlobStore, rows: Sequence[BlobRow]) -> list[UUID]:
    gone: list[UUID] = []
    for some in slices(rows, LOOKS_AT_ONCE):
        there = await blobs.present([str(row.id) for row in some])
        gone += [row.id for row in some if str(row.id) not in there]
    return gone


async def _bytes_orphaned(patient: Patient, in_time: InTime) -> Difference:
    """Count old bytes that no tenant has a row for; the hourly clean-up removes the same.

    They are nobody's, so this number is the deployment's, and no example is given.
    """
    found = Difference("bytes_orphaned")

    async def look() -> bool:
        async for orphans in orphan_pages(patient.database, patient.blobs):
            removed = await remove_bytes(patient.blobs, orphans) if patient.fix else 0
            found.add(len(orphans), fixed=removed)
            if not in_time():
                return False
        return True

    return await _looked(found, look)


async def _looked(found: Difference, look: Callable[[], Awaitable[bool]]) -> Difference:
    """Run one comparison; a store that does not answer ends that one alone."""
    try:
        found.complete = await look()
        found.reason = None if found.complete else "There was not enough time for all of it."
    except Unavailable as error:
        found.reason = error.detail
    return found


def _until(end: float) -> InTime:
    return lambda: time.monotonic() < end
