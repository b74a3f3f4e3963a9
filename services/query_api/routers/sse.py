"""What a stream says while the work takes its time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TypeVar

from shared.web.sse import KEEP_ALIVE_S

T = TypeVar("T")


async def with_pauses(
    items: AsyncGenerator[T, None], every_s: float = KEEP_ALIVE_S
) -> AsyncGenerator[T | None, None]:
    """Yield the items, and None each time that none has come for so long.

    The work runs in a task of its own, which a reader that leaves ends. That task alone closes the
    generator: a server may cancel a stream more than once, in the middle of its clearing up.
    """
    came: asyncio.Queue[T | _End] = asyncio.Queue(1)

    async def work() -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    await came.put(item)
        finally:
            # Without waiting: if there is no room, its reader finds the work done.
            with suppress(asyncio.QueueFull):
                came.put_nowait(_End())

    working = asyncio.create_task(work())
    try:
        while True:
            try:
                async with asyncio.timeout(every_s):
                    item = await came.get()
            except TimeoutError:
                yield None
                continue
            if isinstance(item, _End):
                break
            yield item
            if working.done() and came.empty():
                break
        # Raises what the work failed with.
        working.result()
    finally:
        working.cancel()
        await asyncio.wait({working})


class _End:
    """There is nothing more."""
