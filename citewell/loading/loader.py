"""Loads many files: a few uploads at a time, then watches the batches until every job has ended."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from citewell.client.asynchronous import AsyncClient
from citewell.client.errors import FileUnreadable, ProblemError
from citewell.client.models import File, OnDuplicate
from citewell.loading.files import pack
from citewell.loading.tally import Tally

MIB = 1024 * 1024
# A request of these sizes is quick to repeat when the line breaks, and one batch stays readable.
MOST_FILES = 100
MOST_BYTES = 64 * MIB
# Batches asked about in one round, so that watching a huge load does not become a load itself.
WATCHED = 20
# Pages and chunks are the jobs' own; of batches still running so many are listed in a round.
LISTED = 3
# A small load is told at once, a long one is not asked about more than once a second.
QUICKEST_S, SLOWEST_S = 0.05, 1.0
# These concern the caller, not a file: the rest of the load would fare no better.
HOPELESS = frozenset({"unauthenticated", "forbidden", "not_found"})
# There is no room now: whatever the client's patience, a load goes on when there is.
FULL = frozenset({"rate_limited", "storage_full"})

Progress = Callable[[Tally], None]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load: `concurrency` uploads at once."""

    collection: str = "default"
    on_duplicate: OnDuplicate = "replace"
    concurrency: int = 4


class Loader:
    """One load of many files through one client."""

    def __init__(
        self,
        client: AsyncClient,
        options: LoadOptions,
        *,
        tally: Tally,
        progress: Progress,
    ) -> None:
        """Take the tally to count in; `progress` is called whenever it may have changed."""
        self._client = client
        self._options = options
        self._tally = tally
        self._progress = progress
        self._turn = 0

    async def run(self, files: Sequence[File]) -> None:
        """Send everything and return when all of it has ended.

        Raises:
            ProblemError: the server refuses the caller, or stays busy beyond all patience.
            ServerUnreachable: no answer for longer than the client's patience.
        """
        await self._ensure_collection()
        requests = pack(files, most_files=MOST_FILES, most_bytes=MOST_BYTES)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(self._send_all(requests, group)))
        except BaseExceptionGroup as errors:
            # What went wrong first is what there is to say.
            raise _first(errors) from errors
        self._tally.tell_ends()

    async def _ensure_collection(self) -> None:
        if self._options.collection == "default":
            return
        try:
            await self._client.collection(self._options.collection)
        except ProblemError as error:
            if error.problem.code != "not_found":
                raise
            await self._client.put_collection(self._options.collection)

    def _send_all(
        self, requests: Iterator[list[File]], group: asyncio.TaskGroup
    ) -> list[asyncio.Task[None]]:
        senders = range(self._options.concurrency)
        return [group.create_task(self._send_each(requests)) for _ in senders]

    async def _send_each(self, requests: Iterator[list[File]]) -> None:
        # The senders share one iterator, so each request is taken once.
        for files in requests:
            await self._send(files)
            self._progress(self._tally)

    async def _send(self, files: list[File]) -> None:
        while files:
            try:
                result = await self._client.upload(
                    files,
                    collection=self._options.collection,
                    on_duplicate=self._options.on_duplicate,
                )
            except FileUnreadable as error:
                self._tally.unreadable(error.name, error.reason)
                files = [file for file in files if file.name != error.name]
            except ProblemError as error:
                if error.problem.code in FULL and error.retry_after_s is not None:
                    await asyncio.sleep(error.retry_after_s)
                    continue
                if error.problem.retryable or error.problem.code in HOPELESS:
                    raise
                for file in files:
                    self._tally.refused(file.name, error.problem)
                return
            else:
                self._tally.accepted(result)
                return

    async def _watch(self, senders: Iterable[asyncio.Task[None]]) -> None:
        senders = list(senders)
        pause = QUICKEST_S
        while not all(sender.done() for sender in senders) or self._tally.open_batches:
            await self._look(self._next_batches())
            self._progress(self._tally)
            await asyncio.sleep(pause)
            pause = min(SLOWEST_S, pause * 1.5)

    def _next_batches(self) -> list[UUID]:
        """Take turns, so that a batch that is stuck keeps no other from being seen."""
        waiting = self._tally.open_batches
        start = self._turn % len(waiting) if waiting else 0
        self._turn = start + WATCHED
        return (waiting[start:] + waiting[:start])[:WATCHED]

    async def _look(self, batch_ids: Sequence[UUID]) -> None:
        listed = 0
        for batch_id in batch_ids:
            before = self._tally.batches[batch_id]
            batch = await self._client.batch(batch_id)
            moved = before is None or before.revision != batch.revision
            if batch.ended or (moved and listed < LISTED):
                listed += 1
                self._tally.jobs[batch_id] = await self._client.all_jobs(batch=batch_id)
            self._tally.batches[batch_id] = batch


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
