"""The parse step: claim a part, read it, finish or fail.

Any message may come again and any process may die at any line: what counts is the claim, and
the step ends in one transaction that needs it.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from uuid import UUID

import structlog

from services.ingest_worker.failures import back_off_s, pause_s, waiting_after
from services.ingest_worker.leases import LeaseLost, while_leased
from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.process import PackedPart, ParserProcess
from shared.blobs.base import BlobStore
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import ClaimedPart, Failures, PartKey, Parts
from shared.errors import (
    CitewellError,
    DatabaseUnavailable,
    FileRejected,
    ParserCrashed,
    ParseTimedOut,
    Unavailable,
)
from shared.identity import new_id
from shared.models import ParseOptions, Stage
from shared.problems import problem_of
from shared.settings import IngestSettings

log = structlog.get_logger(__name__)

NOTHING = "nothing to do"
# A file that ran out of time once is given one more try.
MAX_TIMEOUTS = 2


@dataclass(frozen=True, slots=True)
class _Read:
    part: PackedPart
    ms: float


class ParseStep:
    """Parses one part at a time."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        parser: ParserProcess,
        scratch: Path,
        settings: IngestSettings,
    ) -> None:
        """Take the stores, the process's parser and a folder of its own for files."""
        self._database = database
        self._blobs = blobs
        self._parser = parser
        self._scratch = scratch
        self._settings = settings

    async def run(self, key: PartKey) -> tuple[str, UUID | None]:
        """Parse one part.

        Returns:
            What was done, in words, and the job's id if its last part is now in.
        """
        part = await self._claim(key)
        if part is None:
            return NOTHING, None
        with structlog.contextvars.bound_contextvars(job_id=str(part.job_id), part=key.number):
            try:
                read = await self._read_leased(part)
            except LeaseLost:
                return "the lease was lost", None
            except CitewellError as error:
                return await self._failed(part, error), None
            except asyncio.CancelledError:
                await self._release(part, delay_s=0)
                raise
            return await self._finish(part, read)

    async def _claim(self, key: PartKey) -> ClaimedPart | None:
        async with self._database.worker() as connection:
            part = await Parts(connection).claim(
                key, claim=new_id(), lease_s=self._settings.lease_s
            )
            if part is not None:
                await Jobs(connection).start(part.job_id)
            return part

    async def _read_leased(self, part: ClaimedPart) -> _Read:
        async def renew() -> bool:
            async with self._database.worker() as connection:
                return await Parts(connection).renew(part, lease_s=self._settings.lease_s)

        return await while_leased(self._read(part), renew, every_s=self._renew_s)

    @property
    def _renew_s(self) -> float:
        # Often enough that a cancelled job's work stops within 2 s.
        return min(1.5, self._settings.lease_s / 3)

    async def _read(self, part: ClaimedPart) -> _Read:
        start = perf_counter()
        path = self._scratch / str(part.blob_id)
        try:
            await self._blobs.fetch(str(part.blob_id), path)
            source = _source(part, path)
            window = _window(part) or await self._plan(part, source)
            read = await self._parser.parse(
                source, pages=window, timeout_s=self._settings.part_timeout_s
            )
        finally:
            path.unlink(missing_ok=True)
        return _Read(read, 1000 * (perf_counter() - start))

    async def _plan(self, part: ClaimedPart, source: Source) -> range:
        """Find out how many pages there are and make the part plan."""
        plan = await self._parser.plan(source, timeout_s=self._settings.part_timeout_s)
        windows = _windows(plan.pages, self._settings.part_pages)
        async with self._database.worker() as connection:
            jobs = Jobs(connection)
            await jobs.lock(part.job_id)
            if not await jobs.plan(part.job_id, parts=len(windows), pages=plan.pages):
                raise LeaseLost
            await Parts(connection).plan(part, windows)
            await jobs.describe_version(
                part.key.version_id,
                pages=plan.pages,
                media_type=plan.media_type,
                parser=plan.parser,
            )
        first, last = windows[0]
        return range(first, last + 1)

    async def _finish(self, part: ClaimedPart, read: _Read) -> tuple[str, UUID | None]:
        pages, elements = read.part.pages, read.part.elements
        warnings = json.dumps([warning.model_dump() for warning in read.part.warnings])
        async with self._database.worker() as connection:
            jobs = Jobs(connection)
            await jobs.lock(part.job_id)
            if not await Parts(connection).finish(part, elements=elements, warnings=warnings):
                return "the lease was lost", None
            left = await jobs.count_part(part.job_id, pages=pages, ms=read.ms)
        done = f"{part.filename} part {part.key.number + 1}: {pages} pages"
        return done, part.job_id if left == 0 else None

    async def _failed(self, part: ClaimedPart, error: CitewellError) -> str:
        """Try again later, or end the job: by what kind of death it was."""
        crashed, timed_out = isinstance(error, ParserCrashed), isinstance(error, ParseTimedOut)
        if isinstance(error, Unavailable) and not isinstance(error, DatabaseUnavailable):
            await self._wait(part, error)
        elif crashed or timed_out:
            failures = await self._release(
                part, delay_s=back_off_s(0), crashes=int(crashed), timeouts=int(timed_out)
            )
            if failures is not None and self._too_often(failures):
                await self._fail(part, error)
        elif isinstance(error, FileRejected):
            await self._fail(part, error)
        else:
            log.error("part_failed", code=error.code, detail=error.detail)
            await self._release(part, delay_s=back_off_s(1), crashes=1)
        return f"{part.filename} part {part.key.number + 1}: {error.code}"

    def _too_often(self, failures: Failures) -> bool:
        return failures.crashes >= self._settings.max_crashes or failures.timeouts >= MAX_TIMEOUTS

    async def _wait(self, part: ClaimedPart, error: CitewellError) -> None:
        async with self._database.worker() as connection:
            await Jobs(connection).wait([part.job_id], waiting_after(error))
        await self._release(part, delay_s=pause_s(error, attempts=part.parts_total))

    async def _fail(self, part: ClaimedPart, error: CitewellError) -> None:
        async with self._database.worker() as connection:
            await Jobs(connection).fail(part.job_id, problem_of(error, Stage.PARSE))

    async def _release(
        self, part: ClaimedPart, *, delay_s: float, crashes: int = 0, timeouts: int = 0
    ) -> Failures | None:
        async with self._database.worker() as connection:
            if crashes or timeouts:
                await Jobs(connection).count_attempt(part.job_id)
            return await Parts(connection).release(
                part, delay_s=delay_s, crashes=crashes, timeouts=timeouts
            )


def _source(part: ClaimedPart, path: Path) -> Source:
    options = dict(part.options)
    password = options.pop("password", None)
    return Source(
        path=path,
        filename=part.filename,
        options=ParseOptions.model_validate(options),
        password=password,
    )


def _window(part: ClaimedPart) -> range | None:
    if part.page_start is None or part.page_end is None:
        return None
    return range(part.page_start, part.page_end + 1)


def _windows(pages: int, size: int) -> list[tuple[int, int]]:
    """Cut 1…pages into runs of `size` pages, both ends included; never empty."""
    return [(first, min(first + size - 1, pages)) for first in range(1, max(pages, 1) + 1, size)]
