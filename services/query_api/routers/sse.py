"""Work told as it comes: what has begun, each item, comments while none comes, and its failure."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from typing import TypeVar

import structlog
from fastapi.responses import StreamingResponse

from shared.models import Problem
from shared.problems import problem_of
from shared.web import sse

T = TypeVar("T")

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.query")


def streamed(
    begun: str,
    items: AsyncGenerator[T, None],
    *,
    tell: Callable[[T], Iterable[str]],
    fail: Callable[[Problem], str],
) -> StreamingResponse:
    """Return the answer that sends what has `begun`, then what is told of the items as they come.

    Where they fail the problem is the last event. A client that leaves ends the work.
    """
    events = _events(begun, items, tell, fail)
    return StreamingResponse(events, media_type=sse.MEDIA_TYPE, headers=sse.HEADERS)


async def _events(
    begun: str,
    items: AsyncGenerator[T, None],
    tell: Callable[[T], Iterable[str]],
    fail: Callable[[Problem], str],
) -> AsyncIterator[str]:
    yield begun
    try:
        async with aclosing(with_pauses(items)) as came:
            async for item in came:
                for event in [sse.COMMENT] if item is None else tell(item):
                    yield event
    except Exception as error:
        logger.exception("stream_failed", error=type(error).__name__)
        yield fail(problem_of(error))


async def with_pauses(
    items: AsyncGenerator[T, None], every_s: float = sse.KEEP_ALIVE_S
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
