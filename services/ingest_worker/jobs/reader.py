"""Reads one claimed part in the parser process, and makes the part plan of a file that has none."""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from services.ingest_worker.jobs.base import Intake, IntakeDoor
from services.ingest_worker.leases import LeaseLost
from services.ingest_worker.parsing.base import OcrOrder, Plan, Source
from services.ingest_worker.parsing.detect import COMPRESSED, TAR, ZIP
from services.ingest_worker.parsing.process import PackedPart, ParserProcess
from shared.blobs.base import BlobStore
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import ClaimedPart, Parts
from shared.errors import ArchiveUnsafe, CitewellError
from shared.models import JobWarning, ParseOptions
from shared.settings import IngestSettings

# Blobs of small files fetched at a time.
FETCHES = 8
# Of a part's time so much may go to reading its pictures; the rest is for all else.
OCR_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Read:
    """A part as it was read; `plan` is there when the part is the whole file.

    `intake` has what was in it, where it holds files.
    """

    part: ClaimedPart
    packed: PackedPart
    plan: Plan | None
    ms: float
    intake: Intake | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What the parser found in a part: in the whole file with a plan, else in a run of pages."""

    packed: PackedPart
    plan: Plan | None = None
    window: range | None = None

    def told(self, warnings: Sequence[JobWarning]) -> "_Found":
        """Return it with more to be told."""
        packed = dataclasses.replace(self.packed, warnings=[*self.packed.warnings, *warnings])
        return dataclasses.replace(self, packed=packed)


class PartReader:
    """Fetches blobs into the process's scratch folder and has the parser read them."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        parser: ParserProcess,
        scratch: Path,
        members: IntakeDoor,
    ) -> None:
        """Take the stores, the process's parser, a folder of its own, and where members go."""
        self._members = members
        self._database = database
        self._blobs = blobs
        self._parser = parser
        self._scratch = scratch

    async def fetch(self, parts: Sequence[ClaimedPart]) -> None:
        """Fetch ahead what is read next; what cannot be fetched now fails when it is read."""
        turns = asyncio.Semaphore(FETCHES)

        async def fetch(part: ClaimedPart) -> None:
            async with turns:
                await self._fetch(part)

        await asyncio.gather(*map(fetch, parts), return_exceptions=True)

    async def read(self, part: ClaimedPart, settings: IngestSettings) -> Read:
        """Read a part; the first of a long file makes its part plan.

        Raises:
            LeaseLost: the job does not want the work any more.
            CitewellError: the file is bad, or something does not answer.
        """
        start = perf_counter()
        path = self._path(part)
        if not path.is_file():
            await self._fetch(part)
        source = _source(part, path, settings)
        found, intake = await self._parse(part, source, settings), None
        if found.packed.holds_files:
            found, intake = await self._unpack(part, source, found, settings)
        return Read(part, found.packed, found.plan, 1000 * (perf_counter() - start), intake)

    def forget(self, parts: Sequence[ClaimedPart]) -> None:
        """Remove the parts' files from the scratch folder; `read` leaves them there."""
        for part in parts:
            self._path(part).unlink(missing_ok=True)

    def _path(self, part: ClaimedPart) -> Path:
        # By claim and version: two documents may share a blob.
        return self._scratch / f"{part.key.version_id}-{part.key.number}"

    async def _fetch(self, part: ClaimedPart) -> None:
        try:
            await self._blobs.fetch(str(part.blob_id), self._path(part))
        except CitewellError:
            self.forget([part])
            raise

    async def _parse(self, part: ClaimedPart, source: Source, settings: IngestSettings) -> _Found:
        window, timeout_s = _window(part), settings.part_timeout_s
        if window is None:
            reading = await self._parser.read(
                source, most_pages=settings.part_pages, timeout_s=timeout_s
            )
            if reading.part is not None:
                return _Found(reading.part, reading.plan)
            size = min(settings.part_pages, reading.plan.part_pages or settings.part_pages)
            window = await self._plan(part, reading.plan, size)
        packed = await self._parser.parse(source, pages=window, timeout_s=timeout_s)
        return _Found(packed, window=window)

    async def _unpack(
        self, part: ClaimedPart, source: Source, found: _Found, settings: IngestSettings
    ) -> tuple[_Found, Intake | None]:
        """Take in what the part holds; return what is to be told with its text."""
        intake = await self._members.open(part)
        if intake is None:
            return _too_deep(found), None
        try:
            left_out = await self._parser.unpack(
                source, intake.take, pages=found.window, timeout_s=settings.unpack_timeout_s
            )
            refused = await intake.received()
        except BaseException:
            await intake.undo()
            raise
        return found.told([*left_out, *refused]), intake

    async def _plan(self, part: ClaimedPart, plan: Plan, size: int) -> range:
        windows = _windows(plan.pages, size)
        async with self._database.worker() as connection:
            jobs = Jobs(connection)
            await jobs.lock([part.job_id])
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


def _too_deep(found: _Found) -> _Found:
    """Refuse an archive that lies too deep in others; mails and PDFs have a text of their own."""
    if found.plan is not None and found.plan.media_type in (ZIP, TAR, COMPRESSED):
        raise ArchiveUnsafe("It lies too deep in other archives.")
    detail = "The file lies too deep in others: what is attached to it is left out."
    return found.told([JobWarning(code="attachment_skipped", detail=detail)])


def _source(part: ClaimedPart, path: Path, settings: IngestSettings) -> Source:
    stored = dict(part.options)
    password = stored.pop("password", None)
    options = ParseOptions.model_validate(stored)
    return Source(
        path=path,
        filename=part.filename,
        options=options,
        password=password,
        ocr=_ocr_order(options, settings),
    )


def _ocr_order(options: ParseOptions, settings: IngestSettings) -> OcrOrder:
    wanted = options.ocr or (options.ocr is None and settings.ocr == "auto")
    return OcrOrder(
        engine=settings.ocr_engine if wanted and settings.ocr != "off" else "off",
        language=options.language or settings.ocr_language,
        budget_s=OCR_SHARE * settings.part_timeout_s,
        programs=settings.parser_programs,
    )


def _window(part: ClaimedPart) -> range | None:
    if part.page_start is None or part.page_end is None:
        return None
    return range(part.page_start, part.page_end + 1)


def _windows(pages: int, size: int) -> list[tuple[int, int]]:
    """Cut 1…pages into runs of `size` pages, both ends included; never empty."""
    return [(first, min(first + size - 1, pages)) for first in range(1, max(pages, 1) + 1, size)]
