"""Trying again what may pass: exponential pauses with jitter, until a model's first words."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import TypeVar

from services.query_api.chat_models.base import Deadlines
from shared.errors import CitewellError, GenerationTimedOut

T = TypeVar("T")

TRIES = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0


def pauses(
    tries: int = TRIES, *, draw: Callable[[float, float], float] = random.uniform
) -> Iterator[float]:
    """Yield the pause before each further try.

    "Equal jitter": half of the doubled step for certain, half by chance, so that clients that
    failed together do not come back together.
    """
    for further in range(tries - 1):
        step = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**further)
        yield step / 2 + draw(0, step / 2)


async def retried(
    begin: Callable[[], AsyncGenerator[T, None]], deadlines: Deadlines, *, tries: int = TRIES
) -> AsyncGenerator[T, None]:
    """Yield what a stream yields; one that fails before its first item is begun again.

    Raises:
        GenerationTimedOut: a deadline passed.
        CitewellError: as `with_backoff` does; after the first item whatever the stream raises.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + deadlines.total_s
    first_s = min(deadlines.first_s, deadlines.total_s)

    async def begun() -> tuple[T, AsyncGenerator[T, None]]:
        items = begin()
        return await anext(items), items

    opened = with_backoff(begun, budget_s=first_s, tries=tries)
    first, items = await _in_time(opened, clock() + first_s)
    async with aclosing(items):
        yield first
        while True:
            try:
                item = await _in_time(anext(items), min(end, clock() + deadlines.stall_s))
            except StopAsyncIteration:
                return
            yield item


async def with_backoff(
    call: Callable[[], Awaitable[T]], *, budget_s: float, tries: int = TRIES
) -> T:
    """Call until it works, fails for good, or no further try fits the budget.

    An error's own `retry_after_s` is obeyed if it is longer than the pause.

    Raises:
        CitewellError: the last one; one that is not `retryable` at once.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + budget_s
    for pause in pauses(tries):
        try:
            return await call()
        except CitewellError as error:
            wait = max(pause, error.retry_after_s or 0.0)
            if not error.retryable or clock() + wait >= end:
                raise
        await asyncio.sleep(wait)
    return await call()


async def _in_time(work: Awaitable[T], until: float) -> T:
    try:
        async with asyncio.timeout_at(until):
            return await work
    except TimeoutError as error:
        raise GenerationTimedOut from error
