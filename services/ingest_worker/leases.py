"""Work under a lease: renewed while the work runs, and the work stopped when the lease is lost."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.errors import DatabaseUnavailable, StageTimedOut

T = TypeVar("T")


class LeaseLost(Exception):
    """Another may have taken the work, or nobody wants it any more; write nothing."""


async def while_leased(
    work: Awaitable[T],
    renew: Callable[[], Awaitable[bool]],
    *,
    every_s: float,
    limit_s: float = math.inf,
) -> T:
    """Run `work` and renew its lease every `every_s` seconds, for `limit_s` at most.

    A database that does not answer is no reason to stop: the write at the end needs the claim
    anyway. Work that hangs would else keep its lease for ever.

    Raises:
        LeaseLost: `renew` said no; the work was cancelled and has stopped.
        StageTimedOut: it took longer than `limit_s`; it was cancelled and has stopped.
    """
    task = asyncio.ensure_future(work)
    clock = asyncio.get_running_loop().time
    end = clock() + limit_s
    try:
        while not (await asyncio.wait({task}, timeout=min(every_s, max(0.0, end - clock()))))[0]:
            if clock() >= end:
                raise StageTimedOut(f"It took longer than {limit_s:g} s.")
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
