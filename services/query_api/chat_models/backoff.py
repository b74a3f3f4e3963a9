"""Trying again what may pass: exponential pauses with jitter, never past the budget."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

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


async def within_budget(call: Callable[[], Awaitable[T]], *, budget_s: float) -> T:
    """Call with back-off, and give up when the budget is used up.

    Raises:
        GenerationTimedOut: it is.
        CitewellError: as `with_backoff` does.
    """
    try:
        async with asyncio.timeout(budget_s):
            return await with_backoff(call, budget_s=budget_s)
    except TimeoutError as error:
        raise GenerationTimedOut from error


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
