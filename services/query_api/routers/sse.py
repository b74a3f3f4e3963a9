"""What a stream says while the work takes its time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from shared.web.sse import KEEP_ALIVE_S

T = TypeVar("T")


async def with_pauses(
    items: AsyncGenerator[T, None], every_s: float = KEEP_ALIVE_S
) -> AsyncGenerator[T | None, None]:
    """Yield the items, and None each time that none has come for so long.

    A reader that leaves ends the work.
    """
    async with aclosing(items):
        while True:
            coming = asyncio.ensure_future(anext(items))
            try:
                while not (await asyncio.wait({coming}, timeout=every_s))[0]:
                    yield None
                item = coming.result()
            except StopAsyncIteration:
                return
            finally:
                await _stopped(coming)
            yield item


async def _stopped(work: "asyncio.Future[T]") -> None:
    if not work.done():
        work.cancel()
        await asyncio.wait({work})
