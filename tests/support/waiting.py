"""Waiting for something to become true, with an end to the patience."""

import asyncio
from collections.abc import Callable

EVERY_S = 0.02


async def until(condition: Callable[[], object], *, within_s: float = 5) -> None:
    """Return once `condition()` is true; fail the test after `within_s` seconds."""
    end = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not happen in time"
        await asyncio.sleep(EVERY_S)
