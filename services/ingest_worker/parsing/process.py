"""A warm parser process: files are read in there, so that a bad one can only harm itself.

It sees one folder and the packages, no network, no secret and no other process (`sandbox`). One for
each worker slot; it reads one part at a time. Call it from the thread that lives as long as the
process: the child dies with the thread that started it (prctl(2), PR_SET_PDEATHSIG).
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import services
from services.ingest_worker.parsing.base import Drawing, OcrOrder, Plan, Source
from services.ingest_worker.parsing.family import (
    empty_folder,
    end_family,
    family_bytes,
    folder_size,
)
from services.ingest_worker.parsing.frames import (
    LENGTHS,
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MemberPiece,
    Reply,
    Request,
    frame,
)
from services.ingest_worker.parsing.sandbox.confine import Cell
from shared.errors import (
    CitewellError,
    ParseOutOfMemory,
    ParserCrashed,
    ParserUnavailable,
    ParseTimedOut,
)
from shared.models import JobWarning
from shared.settings import MIB, IngestSettings

CHILD = "services.ingest_worker.parsing.child"
# Where the packages lie: an empty environment must not lose a checkout that is not installed.
ROOT = Path(services.__file__).parent.parent
# Address space beyond the memory limit: libraries map more than they touch. It stops an
# allocation too quick for the watch below.
MAPPED_BYTES = 1024 * MIB
# What one part may lay down in the child's scratch folder.
SCRATCH_BYTES = 1024 * MIB
SCRATCH_FILES = 10_000
WATCH_S = 0.1
GOODBYE_S = 2.0
# How long one that is cancelled may take to notice.
CANCEL_S = 1.0


# Takes a piece of a member; what it raises ends the unpacking.
Take = Callable[[MemberPiece, bytes], Awaitable[None]]
Exchange = Coroutine[Any, Any, tuple[Reply, bytes]]


@dataclass(frozen=True, slots=True)
class PackedPart:
    """What was read of a run of pages, its Elements packed as the child sent them.

    They are not trusted: whoever unpacks them finds out whether they are what they should be.
    """

    elements: bytes
    pages: int
    warnings: list[JobWarning]
    holds_files: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a file after a first look; `part` is None when it takes several."""

    plan: Plan
    part: PackedPart | None


class ParserProcess:
    """Plans and parses files in a child process that is started when first needed.

    Raises, besides the parsers' own errors: `ParserCrashed` when the child dies, `ParseTimedOut`
    and `ParseOutOfMemory` when it was killed for what it took. The next call finds a new child.
    """

    def __init__(
        self,
        settings: IngestSettings,
        files: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Take the limits and the one folder whose files can be read.

        `environment` is all the child sees besides what Python needs.
        """
        self._settings = settings
        self._files = files.resolve()
        self._environment = {
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            # One thread: the slots are the parallelism, and none may run before it is shut in.
            "OMP_NUM_THREADS": "1",
            "OMP_THREAD_LIMIT": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **(environment or {}),
        }
        self._process: Process | None = None
        self._scratch: Path | None = None
        self._parts = 0
        self._memory = 0
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The living child's process id."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the child ahead of the first file."""
        async with self._turn:
            await self._started()

    async def read(self, source: Source, *, most_pages: int, timeout_s: float) -> Reading:
        """Tell a file's type and count its pages; parse it too when it has up to `most_pages`."""
        request = Request.of("read", source, range(1, most_pages + 1))
        reply, body = await self._ask(request, timeout_s)
        if reply.plan is None:
            raise ParserCrashed("The parser process sent no plan.")
        whole = 1 <= reply.plan.pages <= min(most_pages, reply.plan.part_pages or most_pages)
        return Reading(reply.plan, _packed(reply, body) if whole else None)

    async def parse(
        self, source: Source, *, pages: range | None = None, timeout_s: float
    ) -> PackedPart:
        """Read a run of pages (counted from 1, half open), or all."""
        reply, body = await self._ask(Request.of("parse", source, pages), timeout_s)
        return _packed(reply, body)

    async def unpack(
        self, source: Source, take: Take, *, pages: range | None = None, timeout_s: float
    ) -> list[JobWarning]:
        """Hand every piece of every member to `take`; return what is to be told.

        What `take` raises ends the unpacking.
        """
        reply, _ = await self._ask(Request.of("unpack", source, pages), timeout_s, take)
        return reply.warnings

    async def draw(self, source: Source, drawing: Drawing, *, timeout_s: float) -> bytes:
        """Return one page as PNG; `NotFound` when the file has no such page."""
        request = Request.of("draw", source, None).model_copy(update={"drawing": drawing})
        return (await self._ask(request, timeout_s))[1]

    async def find_engine(self, order: OcrOrder, *, timeout_s: float) -> str | None:
        """Return the OCR engine that would read pictures, as it is found by a shut-in process."""
        request = Request.of("find_engine", Source(self._files, ocr=order), None)
        return (await self._ask(request, timeout_s))[0].engine

    async def aclose(self) -> None:
        """End the child; a part under way is waited for by whoever asked for it."""
        async with self._turn:
            await self._end()

    async def _ask(
        self, asked: Request, timeout_s: float, take: Take | None = None
    ) -> tuple[Reply, bytes]:
        request = frame(asked)
        async with self._turn:
            process = await self._started()
            try:
                reply, body = await self._watched(
                    process, self._exchange(process, request, take), timeout_s
                )
            except BaseException:
                # Cancelled, too: a part nobody waits for must not keep the slot.
                await self._kill()
                raise
            await self._recycle(process)
        if reply.failure is not None:
            raise reply.failure.error()
        return reply, body

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._parts = 0
            self._forget_scratch()
            self._scratch = Path(tempfile.mkdtemp(prefix="parser-", dir=self._files))
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", CHILD, self._cell(self._scratch).model_dump_json()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={**self._environment, "TMPDIR": str(self._scratch)},
                cwd="/",
                # A Ctrl-C at the terminal is the parent's to act on.
                start_new_session=True,
                limit=MIB,
            )
        return self._process

    def _cell(self, scratch: Path) -> Cell:
        return Cell(
            parent=os.getpid(),
            memory_bytes=self._settings.parser_memory_bytes + MAPPED_BYTES,
            files=self._files,
            scratch=scratch,
            scratch_bytes=SCRATCH_BYTES,
            programs=self._settings.parser_programs,
            least=self._settings.parser_isolation,
        )

    async def _watched(
        self, process: Process, exchange: Exchange, timeout_s: float
    ) -> tuple[Reply, bytes]:
        """Wait for the answer, with an eye on the clock and on the child's memory."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        self._memory = 0
        asking = asyncio.ensure_future(exchange)
        try:
            while not asking.done():
                await asyncio.wait({asking}, timeout=min(WATCH_S, max(0, deadline - clock())))
                self._check(process, asking, over_time=clock() >= deadline)
            return asking.result()
        finally:
            asking.cancel()
            # What it reads from is next emptied by `_kill`; a store that hangs is not waited for.
            await asyncio.wait({asking}, timeout=CANCEL_S)

    def _check(
        self, process: Process, asking: asyncio.Future[tuple[Reply, bytes]], *, over_time: bool
    ) -> None:
        if asking.done():
            return
        memory = family_bytes(process.pid)
        # Of one that has just died nothing is resident: its most is what tells.
        self._memory = max(self._memory, memory)
        if memory > self._settings.parser_memory_bytes:
            raise ParseOutOfMemory
        self._check_scratch()
        if over_time:
            raise ParseTimedOut

    def _check_scratch(self) -> None:
        count, size = folder_size(self._scratch) if self._scratch else (0, 0)
        if count > SCRATCH_FILES or size > SCRATCH_BYTES:
            raise ParseOutOfMemory("Reading the file took more room on disk than a parser may use.")

    async def _exchange(
        self, process: Process, request: bytes, take: Take | None
    ) -> tuple[Reply, bytes]:
        if process.stdin is None or process.stdout is None:
            raise ParserCrashed
        try:
            process.stdin.write(request)
            await process.stdin.drain()
            return await _answer(process.stdout, take)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._death(process) from error
        except ValueError as error:
            raise ParserCrashed("The parser process sent what is no answer.") from error

    async def _death(self, process: Process) -> CitewellError:
        """Say what the child died of; one that was large was most likely refused more memory."""
        code = await process.wait()
        if code == os.EX_CONFIG:  # It cannot be shut in.
            return ParserUnavailable(
                "The parser process cannot be isolated as CITEWELL_INGEST_PARSER_ISOLATION asks."
            )
        if self._memory > self._settings.parser_memory_bytes // 2:
            return ParseOutOfMemory()
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ParserCrashed(f"The parser process died on this file ({cause}).")

    async def _recycle(self, process: Process) -> None:
        """End a child that has grown or served for long; the next call starts another."""
        self._parts += 1
        if self._scratch is not None:
            empty_folder(self._scratch)
        grown = family_bytes(process.pid) > self._settings.parser_recycle_bytes
        if grown or self._parts >= self._settings.parser_recycle_parts:
            await self._end()

    async def _end(self) -> None:
        """Let the child go: it ends when its input does."""
        process = self._process
        if process is None or process.returncode is not None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), GOODBYE_S)
        except TimeoutError:
            await self._kill()
        end_family(process.pid)
        self._process = None
        self._forget_scratch()

    async def _kill(self) -> None:
        """Kill the child and all it started: nobody can have left its session."""
        process, self._process = self._process, None
        if process is None:
            return
        end_family(process.pid)
        if process.returncode is None:
            process.kill()
        # A pipe so full that reading paused never ends, and `wait` waits for its end.
        if process.stdout is not None:
            await process.stdout.read()
        await process.wait()
        self._forget_scratch()

    def _forget_scratch(self) -> None:
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _packed(reply: Reply, body: bytes) -> PackedPart:
    return PackedPart(body, reply.pages, reply.warnings, reply.holds_files)


async def _answer(stream: asyncio.StreamReader, take: Take | None) -> tuple[Reply, bytes]:
    reply, body = await _next_frame(stream)
    while reply.member is not None and take is not None:
        await take(reply.member, body)
        reply, body = await _next_frame(stream)
    return reply, body


async def _next_frame(stream: asyncio.StreamReader) -> tuple[Reply, bytes]:
    head, body = LENGTHS.unpack(await stream.readexactly(LENGTHS.size))
    if head > MAX_HEAD_BYTES or body > MAX_BODY_BYTES:
        raise ParserCrashed("The parser process sent more than one part may hold.")
    reply = Reply.trusted(await stream.readexactly(head))
    return reply, await stream.readexactly(body)
