"""Writes the trail behind the answers' backs: many at once, and never for an answer to wait long.

Whoever writes an answer down waits for it a moment, so that feedback on it finds it. When Postgres
is not there the answer goes out all the same, and its row is written when it is back.
"""

import asyncio
from collections import deque
from contextlib import suppress

import structlog
from prometheus_client import Counter

from shared.database.answers import Answers, NewAnswer
from shared.database.engine import Database
from shared.errors import DatabaseUnavailable

# So many are written in one transaction, and so many may wait for it, at some kilobytes each.
AT_ONCE = 100
MOST_WAITING = 1000
# So long an answer is held back for its row, and so long a closing process tries.
WAIT_S = 0.5
RETRY_S = 1.0
CLOSE_S = 2.0

UNRECORDED = Counter(
    "citewell_answers_unrecorded", "Answers that are missing in the trail, by reason.", ("reason",)
)

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.trail")


class Trail:
    """Takes answers from anywhere in the process and writes them, one transaction at a time."""

    def __init__(self, database: Database, *, retry_s: float = RETRY_S) -> None:
        """Take the database; `retry_s` is the pause after it was not there."""
        self._database = database
        self._retry_s = retry_s
        self._waiting: deque[tuple[NewAnswer, asyncio.Event]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._down = False

    def add(self, answer: NewAnswer) -> asyncio.Event:
        """Have an answer written; the event is set once it was, or never will be."""
        written = asyncio.Event()
        if len(self._waiting) >= MOST_WAITING:
            self._lose("full", 1)
            written.set()
            return written
        self._waiting.append((answer, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return written

    async def put(self, answer: NewAnswer) -> None:
        """Have an answer written and wait for that a moment, if Postgres was there last time."""
        written = self.add(answer)
        if not self._down:
            with suppress(TimeoutError):
                await asyncio.wait_for(written.wait(), WAIT_S)

    async def aclose(self) -> None:
        """Write what waits, if that can be done in about two seconds."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSE_S)
            self._writing.cancel()
        if self._waiting:
            self._lose("stopped", len(self._waiting))

    async def _write(self) -> None:
        while self._waiting:
            some = [self._waiting[at][0] for at in range(min(AT_ONCE, len(self._waiting)))]
            try:
                await self._insert(some)
            except DatabaseUnavailable:
                if not self._down:
                    logger.warning("trail_waits", answers=len(self._waiting))
                self._down = True
                await asyncio.sleep(self._retry_s)
                continue
            self._down = False
            for _ in some:
                self._waiting.popleft()[1].set()

    async def _insert(self, some: list[NewAnswer]) -> None:
        try:
            await self._add(some)
        except DatabaseUnavailable:
            raise
        except Exception:
            # One that cannot be written must not keep the others from it.
            logger.exception("trail_refused", answers=len(some))
            await self._insert_each(some)

    async def _insert_each(self, some: list[NewAnswer]) -> None:
        for answer in some:
            try:
                await self._add([answer])
            except DatabaseUnavailable:
                raise
            except Exception:
                logger.exception("answer_refused", answer_id=str(answer.id))
                self._lose("refused", 1)

    async def _add(self, some: list[NewAnswer]) -> None:
        async with self._database.worker() as connection:
            await Answers(connection).add(some)

    def _lose(self, reason: str, number: int) -> None:
        UNRECORDED.labels(reason).inc(number)
        logger.warning("answers_unrecorded", reason=reason, number=number)
