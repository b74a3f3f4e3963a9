"""The calls about work: jobs and batches, seen, awaited, held back, ended, opened again."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal
from uuid import UUID

import anyio
from pydantic import TypeAdapter

from citewell.client.errors import ProblemError
from citewell.client.following import StreamedEvent, streamed_events
from citewell.client.models import Batch, BatchEvent, Job, Page, RetriedJobs
from citewell.client.transport import Call, Calls, given, understand
from shared.models import JobState, ParseOptions, Problem

# The largest page the server gives.
MOST_ITEMS = 100
# The longest that the server keeps a caller waiting.
MOST_WAIT_S = 60.0
# Between two openings of a stream: a server that is restarted is not knocked at all the time.
REOPEN_S = 0.5
Id = UUID | str
_JOB = TypeAdapter(Job)
_JOBS = TypeAdapter(Page[Job])
_RETRIED = TypeAdapter(RetriedJobs)
_BATCH = TypeAdapter(Batch)
_BATCHES = TypeAdapter(Page[Batch])
_PROBLEM = TypeAdapter(Problem)


class JobCalls(Calls):
    """The part of `AsyncClient` that follows and steers work."""

    async def job(
        self, job_id: Id, *, wait_s: float | None = None, since: int | None = None
    ) -> Job:
        """Return a job; with `wait_s` (≤ 60) once it ended or its revision is not `since`."""
        return await self._get(f"/v1/jobs/{job_id}", _JOB, wait=wait_s, since=since)

    async def jobs(
        self,
        *,
        state: JobState | str | None = None,
        batch: Id | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        collection: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Job]:
        """List jobs, one page at a time; `code` and `retryable` are the problem's.

        Dead letters are failed jobs: `jobs(state="failed", retryable=True)`.
        """
        wanted = {"state": state, "batch": batch, "code": code, "collection": collection}
        return await self._get(
            "/v1/jobs", _JOBS, **wanted, retryable=retryable, cursor=cursor, limit=limit
        )

    async def all_jobs(
        self,
        *,
        state: JobState | str | None = None,
        batch: Id | None = None,
        code: str | None = None,
    ) -> list[Job]:
        """Return every job of a state, batch and code, however many pages that takes."""
        found: list[Job] = []
        cursor: str | None = None
        while True:
            page = await self.jobs(
                state=state, batch=batch, code=code, cursor=cursor, limit=MOST_ITEMS
            )
            found.extend(page.items)
            if (cursor := page.next_cursor) is None:
                return found

    async def cancel_job(self, job_id: Id) -> Job:
        """Cancel a job; one already cancelled stays so."""
        return await self._send(Call("POST", f"/v1/jobs/{job_id}/cancel"), _JOB)

    async def retry_job(
        self, job_id: Id, *, options: ParseOptions | None = None, password: str | None = None
    ) -> Job:
        """Open a failed or cancelled job again, with other options if given."""
        wanted = _reading(options, password)
        call = Call("POST", f"/v1/jobs/{job_id}/retry", json=wanted, idempotent=False)
        return await self._send(call, _JOB)

    async def retry_jobs(
        self,
        *,
        batch: Id | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        collection: str | None = None,
        options: ParseOptions | None = None,
    ) -> RetriedJobs:
        """Open every failed job again that fits, however many calls that takes.

        Jobs whose document has a newer version are passed over.
        """
        wanted = given(
            {
                "batch": None if batch is None else str(batch),
                "code": code,
                "retryable": retryable,
                "collection": collection,
            }
        ) | _reading(options, None)
        total = RetriedJobs(retried=0, passed_over=0)
        cursor: str | None = None
        while True:
            body = wanted | given({"cursor": cursor})
            some = await self._send(Call("POST", "/v1/jobs/retry", json=body), _RETRIED)
            total = RetriedJobs(
                retried=total.retried + some.retried,
                passed_over=total.passed_over + some.passed_over,
            )
            if (cursor := some.next_cursor) is None:
                return total

    async def batch(
        self, batch_id: Id, *, wait_s: float | None = None, since: int | None = None
    ) -> Batch:
        """Return a batch; with `wait_s` (≤ 60) once it ended or its revision is not `since`."""
        return await self._get(f"/v1/batches/{batch_id}", _BATCH, wait=wait_s, since=since)

    async def batch_events(
        self, batch_id: Id, *, after: str | None = None
    ) -> AsyncGenerator[BatchEvent, None]:
        """Follow a batch: every job and the batch as they are, then as they change, then the end.

        A cut line is opened again where it was cut; `after` is the id of an event to go on from.
        """
        while True:
            headers = {"Last-Event-ID": after} if after else {}
            call = Call("GET", f"/v1/batches/{batch_id}/events", headers=headers)
            async with aclosing(streamed_events(self._transport.lines(call))) as events:
                async for event in events:
                    told = _told(event)
                    if told is None:
                        break
                    after = told.id or after
                    yield told
                    if told.kind == "end":
                        return
            await self._transport.pause(REOPEN_S)

    async def batches(self, *, cursor: str | None = None, limit: int | None = None) -> Page[Batch]:
        """List batches, newest first, one page at a time."""
        return await self._get("/v1/batches", _BATCHES, cursor=cursor, limit=limit)

    async def cancel_batch(self, batch_id: Id) -> Batch:
        """Cancel every job of a batch that has not ended."""
        return await self._send(Call("POST", f"/v1/batches/{batch_id}/cancel"), _BATCH)

    async def retry_batch(
        self,
        batch_id: Id,
        *,
        code: str | None = None,
        options: ParseOptions | None = None,
    ) -> Batch:
        """Open a batch's failed and cancelled jobs again; with `code` those that failed so."""
        wanted = given({"code": code}) | _reading(options, None)
        return await self._send(Call("POST", f"/v1/batches/{batch_id}/retry", json=wanted), _BATCH)

    async def pause_batch(self, batch_id: Id) -> Batch:
        """Begin no more work of a batch; what is under way ends."""
        return await self._send(Call("POST", f"/v1/batches/{batch_id}/pause"), _BATCH)

    async def resume_batch(self, batch_id: Id) -> Batch:
        """Let a paused batch go on."""
        return await self._send(Call("POST", f"/v1/batches/{batch_id}/resume"), _BATCH)

    async def wait_batch(self, batch_id: Id, *, limit_s: float) -> Batch:
        """Return a batch once all its jobs have ended.

        Raises:
            TimeoutError: they have not within `limit_s`; the work itself goes on.
        """
        with anyio.fail_after(limit_s):
            batch = await self.batch(batch_id)
            while not batch.ended:
                batch = await self.batch(batch_id, wait_s=min(limit_s, MOST_WAIT_S))
        return batch


def _reading(options: ParseOptions | None, password: str | None) -> dict[str, object]:
    """Return how files are to be read this time, as a retry's body says it."""
    told = options.model_dump(exclude_none=True) if options else None
    return given({"options": told, "password": password})


def _told(event: StreamedEvent) -> BatchEvent | None:
    """Read an event; None when the server asks to come back, a problem when that would not help."""
    if event.name == "error":
        problem = understand(_PROBLEM, event.data)
        if problem.retryable:
            return None
        raise ProblemError(problem)
    if event.name == "job":
        return BatchEvent(kind="job", id=event.id, job=understand(_JOB, event.data))
    kind: Literal["batch", "end"] = "end" if event.name == "end" else "batch"
    return BatchEvent(kind=kind, id=event.id, batch=understand(_BATCH, event.data))
