"""Looks at the work ten times a second, so that each fault's recovery can be told in seconds."""

import threading
import time
from dataclasses import astuple, dataclass
from types import TracebackType
from typing import Self

import psycopg
from psycopg.rows import class_row

from tests.faults.kit.processes import Process, family
from tests.faults.kit.truth import TENANT
from tests.support.stack import Stack

EVERY_S = 0.1
LOOK = b"""
    SELECT coalesce(sum(pages_done), 0)::int AS parsed,
        coalesce(sum(chunks_total - chunks_left), 0)::int AS embedded,
        count(*) FILTER (WHERE finished_at IS NOT NULL)::int AS ended,
        count(*) FILTER (WHERE state IN ('queued', 'parsing'))::int AS to_parse,
        count(*) FILTER (WHERE state IN ('queued', 'parsing', 'embedding'))::int AS open
    FROM jobs WHERE tenant_id = %s"""


@dataclass(frozen=True, slots=True)
class Done:
    """How far all jobs are: pages, chunks, ends; and how many are still to go."""

    parsed: int
    embedded: int
    ended: int
    to_parse: int
    open: int


class Progress:
    """A thread that looks, and remembers every process the stack ever had."""

    def __init__(self, stack: Stack) -> None:
        self.seen: set[Process] = set()
        self._stack = stack
        self._changes: list[tuple[float, Done]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def now(self) -> Done | None:
        """What the newest look found."""
        return self._changes[-1][1] if self._changes else None

    def since(self, moment: float, *fields: str) -> float | None:
        """Return the seconds from a moment to the next change of one of the fields, if any."""
        for (_, old), (at, new) in zip(self._changes, self._changes[1:], strict=False):
            changed = any(getattr(old, field) != getattr(new, field) for field in fields)
            if at >= moment and changed:
                return at - moment
        return None

    def _look_on(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                self._look_while_up()
            except (psycopg.Error, OSError, IndexError):
                continue

    def _look_while_up(self) -> None:
        url = self._stack.database_url
        with psycopg.connect(url, autocommit=True, row_factory=class_row(Done)) as connection:
            connection.execute("SET ROLE citewell_worker")
            while not self._over.wait(EVERY_S):
                self.seen.update(family(self._stack.process.pid))
                self._note(connection.execute(LOOK, (TENANT,)).fetchone())

    def _note(self, done: Done | None) -> None:
        last = self.now
        if done and (last is None or astuple(last) != astuple(done)):
            self._changes.append((time.monotonic(), done))
