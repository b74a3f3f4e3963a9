"""The parse step: claim parts, read them one after another, finish or fail each.

Any message may come again and any process may die at any line: what counts is the claim, and
a part ends in one transaction that needs it. Small files come several to a message: one that is
slow, or fails, harms none of the others.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar
from uuid import UUID

import structlog

from services.ingest_worker.jobs.base import Cutter, Intake
from services.ingest_worker.jobs.failing import PartFailing
from services.ingest_worker.jobs.reader import PartReader, Read
from services.ingest_worker.leases import LeaseLost, while_leased
from shared.database.chunks import Chunks, NewChunk, Owner, TargetIndex
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import ClaimedPart, PartKey, Parts
from shared.database.whole_files import WholeFile, WholeFiles
from shared.errors import ArchiveUnsafe, CitewellError, DatabaseUnavailable
from shared.identity import new_id
from shared.models import Stage
from shared.settings import IngestSettings

NOTHING = "nothing to do"
# A group that takes longer gives back what it has not begun: its slot is for everyone.
GROUP_S = 2.0

T = TypeVar("T")


@dataclass(slots=True)
class _Group:
    """Parts under one claim: not begun, read and not yet stored, and what became of the rest."""

    parts: Sequence[ClaimedPart]
    waiting: deque[ClaimedPart]
    whole: list[Read] = field(default_factory=list)
    last_parts: list[UUID] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    start: float = field(default_factory=perf_counter)

    @property
    def overdue(self) -> bool:
        return perf_counter() - self.start > GROUP_S


class ParseStep:
    """Parses the parts of one message."""

    def __init__(
        self, *, database: Database, reader: PartReader, cutter: Cutter, settings: IngestSettings
    ) -> None:
        """Take the truth, and what reads and cuts."""
        self._database = database
        self._reader = reader
        self._cutter = cutter
        self._failing = PartFailing(database, settings)
        self._settings = settings

    async def run(self, keys: Sequence[PartKey]) -> tuple[str, list[UUID]]:
        """Parse parts.

        Returns:
            What was done, in words, and the jobs whose last part of several is now in.
        """
        parts = await self._claim(keys)
        if not parts:
            return NOTHING, []
        group = _Group(parts, deque(parts))
        try:
            await self._reader.fetch(parts)
            await self._read_all(group)
            await self._finish_whole(group)
        except asyncio.CancelledError:
            await self._give_back(parts)
            raise
        finally:
            self._reader.forget(parts)
        return "; ".join(group.told), group.last_parts

    async def _claim(self, keys: Sequence[PartKey]) -> list[ClaimedPart]:
        async with self._database.worker() as connection:
            parts = await Parts(connection).claim(
                keys, claim=new_id(), lease_s=self._settings.lease_s
            )
            await Jobs(connection).start({part.job_id for part in parts})
            return parts

    async def _read_all(self, group: _Group) -> None:
        while group.waiting:
            part = group.waiting.popleft()
            with structlog.contextvars.bound_contextvars(
                job_id=str(part.job_id), part=part.key.number
            ):
                await self._read(group, part)
            if group.overdue:
                await self._let_go(group)

    async def _read(self, group: _Group, part: ClaimedPart) -> None:
        async def renew() -> bool:
            # A slow file keeps its slot, not those that came with it.
            await self._let_go(group)
            return part.key in await self._renew(group)

        reading = self._reader.read(part, self._settings)
        try:
            read = await while_leased(reading, renew, every_s=self._renew_s)
        except LeaseLost:
            group.told.append(f"{part.filename}: the lease was lost")
        except CitewellError as error:
            stage = Stage.UNPACK if isinstance(error, ArchiveUnsafe) else Stage.PARSE
            await self._failing.failed(part, error, stage)
            group.told.append(f"{part.filename}: {error.code}")
        else:
            await self._store(group, read)

    async def _renew(self, group: _Group) -> set[PartKey]:
        """Extend the leases of what is not stored or given back; return what is still held."""
        async with self._database.worker() as connection:
            return await Parts(connection).renew(group.parts, lease_s=self._settings.lease_s)

    @property
    def _renew_s(self) -> float:
        # Often enough that a cancelled job's work stops within 2 s.
        return min(1.5, self._settings.lease_s / 3)

    async def _store(self, group: _Group, read: Read) -> None:
        if read.plan is not None:
            group.whole.append(read)
        elif await self._finish(read) == 0:
            group.last_parts.append(read.part.job_id)
        group.told.append(_told(read))

    async def _let_go(self, group: _Group) -> None:
        """Store what is read, and give back what is not begun."""
        await self._finish_whole(group)
        if group.waiting:
            await self._give_back(group.waiting)
            group.waiting.clear()

    async def _give_back(self, parts: Sequence[ClaimedPart]) -> None:
        async with self._database.worker() as connection:
            await Parts(connection).give_back(parts)

    async def _finish(self, read: Read) -> int | None:
        """Store one part of several, and add the files in it; return how many parts are left.

        None when the claim is lost, or the files may not be added.
        """
        return await self._settled(read, self._finish_part(read))

    async def _finish_part(self, read: Read) -> int | None:
        part, intake = read.part, read.intake
        warnings = json.dumps([warning.model_dump() for warning in read.packed.warnings])
        async with self._database.worker() as connection:
            if intake is None:
                await Jobs(connection).lock([part.job_id])
            else:
                await intake.lock(connection)
            if not await Parts(connection).finish(
                part, elements=read.packed.elements, warnings=warnings
            ):
                raise LeaseLost
            if intake is not None:
                await intake.add(connection)
            left = await Jobs(connection).count_part(
                part.job_id, pages=read.packed.pages, ms=read.ms
            )
            if left is None and intake is not None:
                raise LeaseLost
            return left

    async def _finish_whole(self, group: _Group) -> None:
        """Cut the files read whole and hand them over to embedding."""
        reads = group.whole
        if not reads:
            return
        async with self._database.worker() as connection:
            indexes = await Chunks(connection).indexes(_collections(reads))
        cut = [(read, await self._cut_leased(group, read, indexes)) for read in reads]
        plain = [f for read, f in cut if isinstance(f, WholeFile) and read.intake is None]
        async with self._database.worker() as connection:
            if not await Chunks(connection).hold_indexes(_collections(reads), indexes):
                cut = []
            else:
                await WholeFiles(connection).finish(plain)
        if not cut:
            # A collection got another index, or lost one: what was cut is out of date.
            await self._finish_whole(group)
            return
        for read, file in cut:
            if isinstance(file, CitewellError):
                await self._failed(read, file, Stage.CHUNK)
            elif read.intake is not None:
                await self._settled(read, self._finish_together(file, read.intake, indexes))
        group.whole = []

    async def _settled(self, read: Read, storing: Awaitable[T]) -> T | None:
        """Wait until a part and the files in it are stored together, else undo those."""
        try:
            stored = await storing
        except DatabaseUnavailable:
            # The commit may have come through: what is stored for nothing, the clean-up finds.
            raise
        except LeaseLost:
            await self._undo(read)
        except CitewellError as error:
            await self._failed(read, error, Stage.UNPACK)
        else:
            if read.intake is not None:
                await read.intake.tidy()
            return stored
        return None

    async def _finish_together(
        self, file: WholeFile, intake: Intake, indexes: Sequence[TargetIndex]
    ) -> None:
        collection_id = file.part.collection_id
        mine = [index for index in indexes if index.collection_id == collection_id]
        async with self._database.worker() as connection:
            if not await Chunks(connection).hold_indexes([collection_id], mine):
                raise LeaseLost
            await intake.lock(connection)
            if not await WholeFiles(connection).finish([file]):
                raise LeaseLost
            await intake.add(connection)

    async def _failed(self, read: Read, error: CitewellError, stage: Stage) -> None:
        await self._undo(read)
        await self._failing.failed(read.part, error, stage, read.packed.warnings)

    async def _undo(self, read: Read) -> None:
        if read.intake is not None:
            await read.intake.undo()

    async def _cut_leased(
        self, group: _Group, read: Read, indexes: Sequence[TargetIndex]
    ) -> WholeFile | CitewellError:
        """Cut one of the files read whole, while all of the group stay leased."""

        async def renew() -> bool:
            await self._renew(group)
            return True

        try:
            return await while_leased(
                asyncio.to_thread(self._cut, read, indexes),
                renew,
                every_s=self._renew_s,
                limit_s=self._settings.chunk_timeout_s,
            )
        except CitewellError as error:
            return error

    def _cut(self, read: Read, indexes: Sequence[TargetIndex]) -> WholeFile:
        start, part = perf_counter(), read.part
        owner = Owner(part.tenant_id, part.job_id, part.document_id, part.key.version_id)
        mine = [index for index in indexes if index.collection_id == part.collection_id]
        chunks = self._cutter.cut(owner, [read.packed.elements], mine)
        return _whole_file(read, chunks, ms=1000 * (perf_counter() - start))


def _name(part: ClaimedPart) -> str:
    return f"{part.filename} part {part.key.number + 1}" if part.page_start else part.filename


def _collections(reads: Sequence[Read]) -> set[UUID]:
    return {read.part.collection_id for read in reads}


def _told(read: Read) -> str:
    return f"{_name(read.part)}: {read.packed.pages} pages"


def _whole_file(read: Read, chunks: Collection[NewChunk], *, ms: float) -> WholeFile:
    plan = read.plan
    return WholeFile(
        part=read.part,
        media_type=plan.media_type if plan else "",
        parser=plan.parser if plan else "",
        pages=read.packed.pages,
        elements=read.packed.elements,
        warnings=read.packed.warnings,
        chunks=chunks,
        parse_ms=read.ms,
        chunk_ms=ms,
    )
