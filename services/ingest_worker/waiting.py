"""Waits until a job has moved, for callers that would else ask again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from shared.database.engine import Database
from shared.database.job_views import JobViews
from shared.models import TERMINAL

# Between looks no connection is held: a thousand waiting callers need a few.
LOOK_EVERY_S = 0.3


async def wait_for_job(
    database: Database,
    tenant_id: str,
    job_id: UUID,
    *,
    since: int | None,
    seconds: float,
    gone: Callable[[], Awaitable[bool]],
) -> None:
    """Return when the job has ended, its revision differs from `since`, or the time is up.

    Returns also when there is no such job, or when the caller has `gone` away.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while True:
        async with database.tenant(tenant_id) as connection:
            progress = await JobViews(connection).progress(job_id)
        if progress is None or progress[0] in TERMINAL:
            return
        if since is not None and progress[1] != since:
            return
        left = end - clock()
        if left <= 0 or await gone():
            return
        await asyncio.sleep(min(LOOK_EVERY_S, left))
