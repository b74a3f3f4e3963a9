"""Work under a lease: renewed while the work runs, and the work stopped when the lease is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.errors import DatabaseUnavailable

T = TypeVar("T")


class LeaseLost(Exception):
    """Another may have taken the work, or nobody wants it any more; write nothing."""


async def while_leased(
    work: Awaitable[T], renew: Callable[[], Awaitable[bool]], *, every_s: float
) -> T:
    """Run `work` and renew its lease every `every_s` seconds.

    A database that does not answer is no reason to stop: the write at the end needs the claim
    anyway.

    Raises:
        LeaseLost: `renew` said no; the work was cancelled and has stopped.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=every_s))[0]:
            if not await _still_held(renew):
                raise LeaseLost
        return await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _still_held(renew: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await renew()
    except DatabaseUnavailable:
        return True
