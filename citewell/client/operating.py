"""The calls that watch over work: jobs, batches, usage, health and the doctor."""

from datetime import datetime

import anyio
from pydantic import TypeAdapter

from citewell.client.calls import MOST_ITEMS, Calls, Id, given
from citewell.client.models import Batch, Diagnosis, Job, Page, Readiness, Usage
from citewell.client.transport import Call, understand
from shared.models import JobState, ParseOptions

_JOB = TypeAdapter(Job)
_JOBS = TypeAdapter(Page[Job])
_BATCH = TypeAdapter(Batch)
_BATCHES = TypeAdapter(Page[Batch])
_USAGE = TypeAdapter(Usage)
_DIAGNOSIS = TypeAdapter(Diagnosis)
_READINESS = TypeAdapter(Readiness)


class OperatingCalls(Calls):
    """One method for each call about work and the server itself."""

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
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Job]:
        """List jobs by state, batch or problem code, one page at a time."""
        return await self._get(
            "/v1/jobs", _JOBS, state=state, batch=batch, code=code, cursor=cursor, limit=limit
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

    async def retry_job(self, job_id: Id, *, options: ParseOptions | None = None) -> Job:
        """Open a failed or cancelled job again, with other options if given."""
        wanted = {"options": options.model_dump(exclude_none=True)} if options else {}
        call = Call("POST", f"/v1/jobs/{job_id}/retry", json=wanted, idempotent=False)
        return await self._send(call, _JOB)

    async def batch(self, batch_id: Id) -> Batch:
        """Return a batch with its jobs counted by state."""
        return await self._get(f"/v1/batches/{batch_id}", _BATCH)

    async def batches(self, *, cursor: str | None = None, limit: int | None = None) -> Page[Batch]:
        """List batches, newest first, one page at a time."""
        return await self._get("/v1/batches", _BATCHES, cursor=cursor, limit=limit)

    async def cancel_batch(self, batch_id: Id) -> Batch:
        """Cancel every job of a batch that has not ended."""
        return await self._send(Call("POST", f"/v1/batches/{batch_id}/cancel"), _BATCH)

    async def retry_batch(self, batch_id: Id) -> Batch:
        """Open every job of a batch again that failed or was cancelled."""
        return await self._send(Call("POST", f"/v1/batches/{batch_id}/retry"), _BATCH)

    async def wait_batch(self, batch_id: Id, *, limit_s: float, every_s: float = 0.5) -> Batch:
        """Return a batch once all its jobs have ended.

        Raises:
            TimeoutError: they have not within `limit_s`; the work itself goes on.
        """
        with anyio.fail_after(limit_s):
            batch = await self.batch(batch_id)
            # The server tells batches by polling; nobody here could set an event.
            while not batch.ended:
                await anyio.sleep(every_s)
                batch = await self.batch(batch_id)
        return batch

    async def usage(self, *, since: datetime | None = None, until: datetime | None = None) -> Usage:
        """Add up what is held now, and the jobs made from `since` on and before `until`."""
        span = {"since": _moment(since), "until": _moment(until)}
        return await self._get("/v1/usage", _USAGE, **span)

    async def doctor(self, *, fix: bool = False, budget_s: float | None = None) -> Diagnosis:
        """Compare the tenant's stores for up to `budget_s` (≤ 60), and mend them; for admins."""
        wish = given({"fix": fix, "budget_s": budget_s})
        return await self._send(Call("POST", "/v1/admin/doctor", json=wish), _DIAGNOSIS)

    async def readiness(self, path: str = "/readyz") -> Readiness:
        """Ask a service if it can work; "no" is an answer, not an error."""
        response = await self._transport.send_once(Call("GET", path))
        return understand(_READINESS, response.content)


def _moment(value: datetime | None) -> str | None:
    """Write a moment for the wire; one without a zone is meant in this machine's."""
    return None if value is None else value.astimezone().isoformat()
