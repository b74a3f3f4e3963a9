"""What a stream says while the work takes its time."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

from shared.web.sse import COMMENT, KEEP_ALIVE_S

T = TypeVar("T")


async def comments_until(
    work: "asyncio.Task[T]", every_s: float = KEEP_ALIVE_S
) -> AsyncGenerator[str, None]:
    """Yield a comment every so often until the task is done; a reader that leaves cancels it."""
    try:
        while not (await asyncio.wait({work}, timeout=every_s))[0]:
            yield COMMENT
    finally:
        work.cancel()
